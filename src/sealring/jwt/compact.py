"""The compact form of a signed token (RFC 7515 §3.1, §7.1): three canonical base64url parts and two dots.

All of this happens before a key is chosen, on text that may be hostile: length first, then shape, then the header.
`crit` is refused whatever it lists, because no extension is supported (RFC 7515 §4.1.11), and so is `b64` (RFC 7797).
Members that carry or point to keys (`jwk`, `jku`, `x5u`, `x5c`) are never read: a token does not choose its key.
"""

from __future__ import annotations

from typing import Any

from pybase64 import b64decode

from sealring.errors import CriticalHeader, Malformed, TooLarge, UnsupportedAlgorithm
from sealring.jwt.base64url import ALPHABET, LAST, PADDING, NotCanonical, decode, without_padding
from sealring.jwt.strict_json import BadJSON, parse_flat, read_object, write

MAX_TOKEN_CHARS = 8192  # what HTTP servers allow for all headers together; ours are some 500
MOST_TOKEN_CHARS = 65_536  # the most that an option may allow: reading takes time and memory in proportion


def split(token: str, max_chars: int = MAX_TOKEN_CHARS, *, padded_base64url: bool = False) -> tuple[str, str, str, str]:
    """Return header, payload, signature and signing input as text; raises `TooLarge` or `Malformed`."""
    _require_text(token)
    if len(token) > max_chars:
        raise TooLarge(f"a token has at most {max_chars} characters")
    if not token.isascii() or token.count(".") != 2:  # noqa: PLR2004  # header.payload.signature
        raise Malformed("a token is three base64url parts with two dots")
    signing_input, _, signature = token.rpartition(".")
    header, _, payload = signing_input.partition(".")
    if padded_base64url:
        header, payload, signature = without_paddings(header, payload, signature)
    return header, payload, signature, signing_input


def without_paddings(*parts: str) -> list[str]:
    """Return the parts of a token whose issuer pads base64url; raises `Malformed` for a wrong padding."""
    try:
        return [without_padding(part) for part in parts]
    except NotCanonical as error:
        raise Malformed(str(error)) from None


def read_header(text: str) -> tuple[dict[str, Any], bool]:
    """Return the header in base64url text, and whether it is flat; raises a `TokenError`."""
    try:
        header, flat = read_object(decode(text))
    except (NotCanonical, BadJSON) as error:
        raise Malformed(f"header: {error}") from None
    if "crit" in header or "b64" in header:
        raise CriticalHeader("no critical extension is supported")
    for name in ("alg", "kid", "typ"):
        if name in header and not isinstance(header[name], str):
            raise Malformed(f"header {name!r} must be a string")
    if "alg" not in header:
        raise UnsupportedAlgorithm("header 'alg' is missing")
    return header, flat


def read_payload(text: str) -> bytes:
    """Return the payload in base64url text; raises `Malformed`."""
    try:
        return decode(text)
    except NotCanonical as error:
        raise Malformed(f"payload: {error}") from None


def read_claims(text: str) -> tuple[dict[str, Any], bool]:
    """Return the claims in base64url text, and whether they are flat; raises `Malformed`.

    The usual payload holds no object, no list, and no comma except between its members. It then has one comma less
    than it has names, unless a name occurs twice. Where its strings hold commas, encoding the claims again must give
    the same bytes, since no encoder writes a name twice. Every other spelling takes the slow path.
    """
    remainder = len(text) & 3
    try:
        data = b64decode(text + PADDING[remainder], ALPHABET, True)  # noqa: FBT003  # a keyword costs half as much again
        claims = parse_flat(data)
        unique = data.count(b",") < len(claims) or write(claims) == data
        if unique and text[-1] in LAST[remainder] and "+" not in text and "/" not in text:
            return claims, True
    except (ValueError, IndexError, DeprecationWarning):  # the decoder only warns of the other alphabet
        pass  # the slow path finds out what is wrong
    try:
        return read_object(decode(text))
    except (NotCanonical, BadJSON) as error:
        raise Malformed(f"payload: {error}") from None


def checked_max_chars(max_chars: object) -> int:
    """Return the option of that name; raises `ValueError` for anything but a number within bounds."""
    if type(max_chars) is not int or not 0 < max_chars <= MOST_TOKEN_CHARS:
        raise ValueError(f"max_chars must be a whole number from 1 to {MOST_TOKEN_CHARS}")
    return max_chars


def _require_text(token: object) -> None:
    if not isinstance(token, str):
        raise Malformed("a token must be text")
