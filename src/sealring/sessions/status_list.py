"""Token Status List, the sending side (draft-ietf-oauth-status-list-21, approved, without a number yet). Pure.

For verifiers in other languages that know the draft. Each session has one index, drawn at random, in all its access
tokens (§6.1), and one bit in a list that is signed again every few seconds (§4.1, §5.1). The list says which sessions
have ended. It cannot say that a subject's claims have changed while its sessions go on: the feed and `epoch` do that.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sealring import jwt
from sealring.jwt.base64url import encode
from sealring.jwt.strict_json import write

TYPE: Final = "statuslist+jwt"
"""The header's `typ` (§5.1): no list is taken for a token, nor the reverse."""
TTL_SECONDS: Final = 30
"""How long a verifier should keep a list before it fetches another (`ttl`, §5.1)."""
LIFE_SECONDS: Final = 300
"""`exp`: an old list that somebody replays, or that a cache keeps, counts no longer than this."""
LEAST_SIZE, MOST_SIZE = 1_024, 4_194_304


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusListSettings:
    """Where the list is published, and how many indexes it has."""

    url: str
    size: int


def write_reference(index: int, url: str) -> dict[str, Any]:
    """Return the claim `status` of a token (§6.1).

    >>> write_reference(7, "https://auth.example.com/auth/status-list")
    {'status_list': {'idx': 7, 'uri': 'https://auth.example.com/auth/status-list'}}
    """
    return {"status_list": {"idx": index, "uri": url}}


def pack(size: int, ended: Iterable[int]) -> str:
    r"""Return `lst` with a bit for each index: 1 (INVALID, §7.1) for those of `ended`, 0 (VALID) for all others.

    The first index is the lowest bit of the first byte (§4.1). An index that the list does not have is left out: a
    verifier refuses it (§8.3).

    >>> from sealring.jwt.base64url import decode
    >>> zlib.decompress(decode(pack(16, [0, 9])))
    b'\x01\x02'
    """
    bits = bytearray((size + 7) // 8)
    for index in ended:
        if index < size:
            bits[index >> 3] |= 1 << (index & 7)
    return encode(zlib.compress(bytes(bits), 9))


def sign_status_list(lst: str, key: jwt.Key, *, issuer: str, url: str, now: int) -> bytes:
    """Return the Status List Token (§5.1).

    Args:
        lst: what `pack` returned.
        key: the private key that signs access tokens now.
        issuer: `iss`.
        url: `sub`, which equals the `uri` in tokens.
        now: when the store was asked, Unix seconds.

    Raises:
        ValueError: a secret or a public key.
    """
    if key.is_symmetric or key.sign is None:
        raise ValueError("a status list is signed by a private key")
    claims = {
        "iss": issuer,
        "sub": url,
        "iat": now,
        "exp": now + LIFE_SECONDS,
        "ttl": TTL_SECONDS,
        "status_list": {"bits": 1, "lst": lst},
    }
    # not by `jwt.sign`, which writes no token longer than others read
    signing_input = f"{key.header(TYPE)}.{encode(write(claims))}".encode()
    return b"%b.%b" % (signing_input, encode(key.sign(signing_input)).encode())
