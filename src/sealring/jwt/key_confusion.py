"""Detects keys of another kind that are about to be used as an HMAC secret (algorithm confusion, RFC 8725 §3.5).

A service that checks RS256 tokens with the text of a public key can be sent an HS256 token that was signed with that
very text, which is public (CVE-2015-9235, CVE-2022-29217, CVE-2024-33663, GHSA-xgmm-8j9v-c9wx and a dozen more).
Every fix that listed prefixes was bypassed by a byte order mark, a leading space, DER, base64 of DER, or a JWK. So a
secret is read as everything that it may decode to, two encodings deep, and refused when one reading is a key, a
certificate, or any JSON object or list.
"""

from __future__ import annotations

import json
import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, unhexlify
from collections.abc import Iterator
from contextlib import suppress

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

_ARMOUR = re.compile(rb"-{2,} ?(BEGIN|END) |PuTTY-User-Key-File|age-secret-key-", re.IGNORECASE)
_SSH = re.compile(rb"ssh-(rsa|dss|ed25519|ed448)|ecdsa-sha2-|sk-ssh-|sk-ecdsa-|openssh-key-v1")
_BASE64_TEXT = re.compile(rb"[A-Za-z0-9+/_-]{32,}={0,2}")
_SPACE = re.compile(rb"\s+|\xef\xbb\xbf|\xe2\x80[\x8b-\x8f]|\\n")
_POINT_BYTES: dict[int, ec.EllipticCurve] = {65: ec.SECP256R1(), 97: ec.SECP384R1(), 133: ec.SECP521R1()}
_SEQUENCE, _INTEGER = 0x30, 0x02
_FIRST_PRINTABLE = 0x20  # every key has tags below; hexadecimal digits have none, and 0 is a SEQUENCE in ASCII
_ENCODINGS_DEEP = 2


def detect_asymmetric_key(secret: bytes) -> str | None:
    """Return in words what kind of key `secret` is, or None when it is no key of another kind."""
    for reading in _readings(secret, _ENCODINGS_DEEP):
        if _ARMOUR.search(reading):
            return "PEM or another armoured key"
        if _SSH.search(reading):
            return "an SSH key"
        if _is_json(reading):
            return "JSON, such as a JWK"
        if _is_der(reading):
            return "DER, a key or a certificate"
        if _is_point(reading):
            return "an elliptic curve point"
    return None


def _readings(data: bytes, left: int) -> Iterator[bytes]:
    yield data
    if b"\0" in data:
        yield data.replace(b"\0", b"")  # UTF-16 and UTF-32 of ASCII text
    if left == 0:
        return
    text = _SPACE.sub(b"", data.replace(b"\0", b"")).strip(b"\"'")
    if _BASE64_TEXT.fullmatch(text):
        body = text.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        with suppress(BinasciiError):
            yield from _readings(a2b_base64(body + b"=" * (-len(body) % 4)), left - 1)
        with suppress(BinasciiError):
            yield from _readings(unhexlify(text), left - 1)


def _is_json(data: bytes) -> bool:
    text = data.lstrip(b"\xef\xbb\xbf \t\r\n\0")
    if not text.startswith((b"{", b"[")):
        return False
    try:
        return isinstance(json.loads(text.decode("utf-8", "replace"), strict=False), dict | list)
    except (ValueError, RecursionError):
        return False


def _is_der(data: bytes) -> bool:
    """Tell whether `data` starts with a SEQUENCE of whole elements, the first a SEQUENCE or an INTEGER."""
    outer = _element(data, 0)
    if outer is None or data[0] != _SEQUENCE or min(data) >= _FIRST_PRINTABLE:
        return False
    start, end = outer
    if end - start < 24 or data[start] not in (_SEQUENCE, _INTEGER):  # noqa: PLR2004  # no key is shorter
        return False
    while start < end:
        inner = _element(data, start)
        if inner is None or inner[1] > end:
            return False
        start = inner[1]
    return True


def _element(data: bytes, at: int) -> tuple[int, int] | None:
    """Return where the content of the DER element at `at` starts and ends, when it fits."""
    if at + 2 > len(data):
        return None
    length, start = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    return (start, start + length) if start + length <= len(data) else None


def _is_point(data: bytes) -> bool:
    curve = _POINT_BYTES.get(len(data))
    if curve is None:
        return False
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(curve, data)
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True
