"""Strict JSON (RFC 8259, and RFC 7493 where it is stricter): one text, one meaning.

Accepts UTF-8 without a byte order mark, no name twice in an object (a reader that keeps the first and a reader that
keeps the last would see two different tokens), no NaN or Infinity, no number beyond a double, no integer beyond 4300
digits, no lone surrogate, nothing after the value, and nesting of at most `MAX_DEPTH`. Every refusal is `BadJSON`, a
`ValueError`.

msgspec decides all of that except duplicates and depth. For the usual text they cost little: when encoding the value
gives the same bytes, no name occurs twice, since no encoder writes one twice. In any other spelling the names are
counted with the strings removed.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

from msgspec import DecodeError
from msgspec.json import Decoder, Encoder

MAX_DEPTH = 32  # a claim set is flat; a JWKS is 3 deep
_PLAIN = frozenset({str, int, bool, type(None)})
_NAME = frozenset({str})
_OPEN_LIST, _OPEN_OBJECT = 0x5B, 0x7B
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')

_parse = Decoder().decode
# for callers that find duplicates themselves: an object that holds no object and no list, or ValueError
parse_flat = Decoder(dict[str, str | int | float | bool | None]).decode
write = Encoder().encode


class BadJSON(ValueError):
    """The bytes are not strict JSON. The message says what is wrong and never quotes them."""


def decode(data: bytes) -> Any:
    """Return the value of JSON text; raises `BadJSON`.

    >>> decode(b'{"a":[1,null]}')
    {'a': [1, None]}
    """
    return _read(data)[0]


def decode_object(data: bytes) -> dict[str, Any]:
    """Return a JSON object; raises `BadJSON` for anything else.

    >>> decode_object(b'{"sub":"42"}')
    {'sub': '42'}
    """
    return read_object(data)[0]


def read_object(data: bytes) -> tuple[dict[str, Any], bool]:
    """Return a JSON object, and whether it is flat: without an object or a list inside, a shallow copy suffices."""
    read = _read(data)
    if type(read[0]) is not dict:
        raise BadJSON("not a JSON object")
    return read


def _is_flat(data: bytes) -> bool:
    """Tell whether a JSON text holds no inner list and no inner object; brackets in strings count as one."""
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
    # without the strings, each colon belongs to a member: fewer members in the value mean that a name occurs twice
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


def require_json(where: str, value: Any, depth: int = 1) -> None:
    """Refuse values that `write` would turn into something else: NaN into null, a date into text, 1 into a name.

    Raises `TypeError` or `ValueError`, which name the claim or the member `where` the value is.
    """
    if type(value) in _PLAIN:
        return
    if type(value) is float:
        if not isfinite(value):
            raise ValueError(f"claim {where!r} holds a number that is not finite")
        return
    if not isinstance(value, list | tuple | dict):
        raise TypeError(f"claim {where!r} holds a value that is not JSON")
    if depth == MAX_DEPTH:  # a value that holds itself ends here too
        raise ValueError(f"claim {where!r} is nested too deeply")
    if isinstance(value, dict) and not _NAME.issuperset(map(type, value)):
        raise TypeError(f"claim {where!r} holds a name that is no string")
    for item in value.values() if isinstance(value, dict) else value:
        require_json(where, item, depth + 1)
