"""Strict JSON (RFC 8259, and RFC 7493 where it asks for more): one text, one meaning.

Accepts what one would have written: UTF-8 without a byte order mark, no name twice in an object
(the reader that keeps the first and the reader that keeps the last see two different tokens), no
NaN or Infinity, no number beyond a double, no integer beyond 4300 digits, no lone surrogate,
nothing after the value, nesting of at most `MAX_DEPTH`. Every refusal is `BadJSON`, a `ValueError`.

msgspec decides all of that but duplicates and depth. Those are settled cheaply for the
text that everyone writes: when encoding the value gives the same bytes back, no name came twice,
since no encoder writes one twice. Any other spelling is measured with its strings taken out.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import DecodeError
from msgspec.json import Decoder, Encoder

MAX_DEPTH = 32  # a claim set is flat; a JWKS is 3 deep
_OPEN_LIST, _OPEN_OBJECT = 0x5B, 0x7B
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')

_parse = Decoder().decode
# for callers who settle duplicates by themselves: an object that holds no object and no list, or ValueError
parse_flat = Decoder(dict[str, str | int | float | bool | None]).decode
write = Encoder().encode


class BadJSON(ValueError):
    """The bytes are not strict JSON; the message says what is wrong, never what they hold."""


def decode(data: bytes) -> Any:
    """Return the value of JSON text; raises `BadJSON`.

    >>> decode(b'{"a":[1,null]}')
    {'a': [1, None]}
    """
    return _read(data)[0]


def decode_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object that `data` is; `BadJSON` when it is anything else.

    >>> decode_object(b'{"sub":"42"}')
    {'sub': '42'}
    """
    return read_object(data)[0]


def read_object(data: bytes) -> tuple[dict[str, Any], bool]:
    """As `decode_object`, and whether no object or list is within: then a shallow copy shares nothing."""
    read = _read(data)
    if type(read[0]) is not dict:
        raise BadJSON("not a JSON object")
    return read


def _is_flat(data: bytes) -> bool:
    """Tell whether there is no list and no object within JSON text; brackets in strings count as such."""
    return _OPEN_LIST not in data and data.find(_OPEN_OBJECT, 1) < 0


def _read(data: bytes) -> tuple[Any, bool]:
    try:
        value = _parse(data)
        same = write(value) == data
    except (DecodeError, UnicodeDecodeError):
        raise BadJSON("not strict JSON") from None
    except RecursionError:
        raise BadJSON("nested too deeply") from None
    except ValueError:  # sys.set_int_max_str_digits, when an application lowers it
        raise BadJSON("an integer is too long") from None
    flat = _is_flat(data)
    if not (same and flat):
        _check_shape(data, value, unique=same)
    return value, flat


def _check_shape(data: bytes, value: Any, *, unique: bool) -> None:
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH:
        _check_depth(value, MAX_DEPTH)
    if unique:
        return
    # with the strings gone, every colon left is a member's: as many as the value has, or a name came twice
    if _STRING.sub(b"", data).count(b":") != _members(value):
        raise BadJSON("a name occurs twice in one object")


def _check_depth(value: Any, left: int) -> None:
    if isinstance(value, dict | list):
        if left == 0:
            raise BadJSON("nested too deeply")
        for child in value.values() if isinstance(value, dict) else value:
            _check_depth(child, left - 1)


def _members(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_members, value.values()))
    if isinstance(value, list):
        return sum(map(_members, value))
    return 0
