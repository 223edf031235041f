"""What a browser signs with the key of its device, and what it has to sign (DBSC, W3C). Values in, values out.

A challenge is a MAC over the session and the time: no store writes it, and one that is too old is refused. A browser
may sign one challenge twice, so it lives for minutes and does not count once. The authorization is a MAC over the
session and the moment of its login: it stands in the answer to the login alone, so a challenge, which every holder of
the cookies may ask for, registers no key.

The proof is a JWT of the type `dbsc+jwt` whose only claim is the challenge. It has no dates, and needs none. The header
of a registration holds the public key: the one place where a token may bring its own key (attack J3), since the key
stands for nothing but the browser that brings it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from sealring import jwt
from sealring.errors import DeviceBindingRequired, DeviceProofRequired, KeyRefused, TokenError
from sealring.jwt.base64url import encode
from sealring.jwt.strict_json import BadJSON, decode_object
from sealring.sessions.mac import MAC_BYTES, MacKeys, read_bytes
from sealring.sessions.session import Session

ALGORITHMS: Final = ("ES256", "RS256")
"""What TPMs and secure enclaves sign with, the better one first."""

CHALLENGE_SECONDS: Final = 300
"""How long a challenge may be signed: a browser keeps one for the next refresh, and TPMs are slow."""

SKEW_SECONDS: Final = 5
"""How far the clock of the node that made a challenge may run ahead."""

_TYPE: Final = "dbsc+jwt"
_MAX_CHARS: Final = 4096
_TIME_BYTES: Final = 6
_CHALLENGE_CHARS: Final = (_TIME_BYTES + MAC_BYTES + 2) // 3 * 4
_PUBLIC: Final = ("alg", "crv", "e", "kty", "n", "x", "y")


@dataclass(frozen=True, slots=True)
class DeviceProof:
    """A JWT that a browser has signed, as it came."""

    text: str = field(repr=False)
    audiences: tuple[str, ...] = ()
    """What its `aud` may be, where it has one: the URLs of the route that it was sent to."""


class DeviceProofs:
    """Makes challenges and authorizations, and checks what browsers sign, under one or more keys.

    Args:
        keys: the first one makes, each of them checks: at least one, each of 32 bytes or more.

    >>> proofs = DeviceProofs([b"a key of at least 32 bytes, please"])
    >>> challenge = proofs.challenge("c2VhbHJpbmctc2Vzc2lvbg", now=1_700_000_000)
    >>> key = jwt.Key.generate("ES256")
    >>> signed = jwt.sign({"jti": challenge}, key, typ="dbsc+jwt", issued_at=False)
    >>> session = Session(
    ...     id="c2VhbHJpbmctc2Vzc2lvbg", subject="42", client_id="http", scopes=(), created_at=0, auth_time=0,
    ...     last_seen_at=0, idle_seconds=100, expires_at=1000, minted_ms=0, confirmed_ms=0, device_jwk=write_jwk(key),
    ... )
    >>> proofs.check_refresh(session, DeviceProof(signed), now=1_700_000_300)
    >>> proofs.check_refresh(session, DeviceProof(signed), now=1_700_000_301)
    Traceback (most recent call last):
    sealring.errors.DeviceProofRequired: challenge is too old
    """

    __slots__ = ("_authorizations", "_challenges")

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._challenges = MacKeys(keys, label="device challenge 1")
        self._authorizations = MacKeys(keys, label="device authorization 1")

    def challenge(self, session_id: str, *, now: int) -> str:
        """What the browser of that session is to sign next."""
        time = now.to_bytes(_TIME_BYTES, "big")
        return encode(time + self._challenges.sign(time + session_id.encode()))

    def authorization(self, session_id: str, proved_at: int) -> str:
        """What lets the browser that has just logged in register a key for that session."""
        return encode(self._authorizations.sign(_authorized(session_id, proved_at)))

    def read_registration(self, proof: DeviceProof, session_id: str, proved_at: int, *, now: int) -> str:
        """Return the public key that a registration brings, as the text of a JWK.

        Args:
            proof: what the browser has signed.
            session_id: of the session that is to be bound.
            proved_at: when its user last proved who they are.
            now: Unix seconds.

        Raises:
            DeviceProofRequired: it proves nothing; says why.
        """
        key = _own_key(proof.text)
        claims = _verified(proof, key)
        self._check_challenge(claims, session_id, now)
        authorization = claims.get("authorization")
        mac = read_bytes(authorization, max_length=2 * MAC_BYTES)
        if mac is None or not self._authorizations.verify(_authorized(session_id, proved_at), mac):
            raise DeviceProofRequired("authorization is not that of this login")
        return write_jwk(key)

    def check_refresh(self, session: Session, proof: DeviceProof | None, *, now: int) -> None:
        """Check that a live session may be refreshed with this proof, or without one.

        Args:
            session: the row.
            proof: what the browser has signed; none where the request came without.
            now: Unix seconds.

        Raises:
            DeviceProofRequired: it is bound, and this proves nothing; says why, and whether a fresh challenge helps.
            DeviceBindingRequired: it is not bound, and has to be.
        """
        jwk = session.device_jwk
        if jwk is None and proof is None:
            if session.device_binding == "require":
                raise DeviceBindingRequired("the session is not bound to a device")
            return
        try:
            self._check(session.id, jwk, proof, now)
        except DeviceProofRequired as refused:
            refused.subject = session.subject
            raise

    def _check(self, session_id: str, jwk: str | None, proof: DeviceProof | None, now: int) -> None:
        if proof is None:
            raise DeviceProofRequired("no proof was sent")
        if jwk is None:
            raise DeviceProofRequired("the session is not bound to a device")
        self._check_challenge(_verified(proof, read_jwk(jwk)), session_id, now)

    def _check_challenge(self, claims: dict[str, Any], session_id: str, now: int) -> None:
        data = read_bytes(claims.get("jti"), max_length=_CHALLENGE_CHARS)
        if data is None:
            raise DeviceProofRequired("challenge is not one of ours")
        time, mac = data[:_TIME_BYTES], data[_TIME_BYTES:]
        if not self._challenges.verify(time + session_id.encode(), mac):
            raise DeviceProofRequired("challenge is not one of ours")
        age = now - int.from_bytes(time, "big")
        if not -SKEW_SECONDS <= age <= CHALLENGE_SECONDS:
            raise DeviceProofRequired("challenge is too old", is_stale=True)


def write_jwk(key: jwt.Key) -> str:
    """The public key as the text of a JWK, with its algorithm and without a name: one text for each key."""
    members = key.to_jwk()
    return msgspec.json.encode({name: members[name] for name in _PUBLIC if name in members}).decode()


def read_jwk(text: str) -> jwt.Key:
    """The key of such a text."""
    return jwt.Key.from_jwk(msgspec.json.decode(text))


def _authorized(session_id: str, proved_at: int) -> bytes:
    return proved_at.to_bytes(_TIME_BYTES, "big") + session_id.encode()


def _own_key(text: str) -> jwt.Key:
    """The public key that the header brings; a private half is never read."""
    try:
        header = jwt.peek(text, max_chars=_MAX_CHARS).header
        jwk, alg = header.get("jwk"), header["alg"]
        if alg not in ALGORITHMS or not isinstance(jwk, dict):
            raise DeviceProofRequired("header must hold a key of ES256 or RS256")
        return jwt.Key.from_jwk({name: jwk[name] for name in _PUBLIC if name in jwk}, alg)
    except (TokenError, KeyRefused) as error:
        raise DeviceProofRequired(f"registration: {error.code}") from None


def _verified(proof: DeviceProof, key: jwt.Key) -> dict[str, Any]:
    """The claims of a proof that this key has signed."""
    try:
        signed = jwt.verify_signature(proof.text, key, algorithms=ALGORITHMS, max_chars=_MAX_CHARS)
        claims = decode_object(signed.payload)
    except TokenError as error:
        raise DeviceProofRequired(f"proof: {error.code}") from None
    except BadJSON as error:
        raise DeviceProofRequired(f"proof: {error}") from None
    if str(signed.header.get("typ", "")).lower() != _TYPE:
        raise DeviceProofRequired("typ must be dbsc+jwt")
    if "aud" in claims and claims["aud"] not in proof.audiences:
        raise DeviceProofRequired("aud is another service's")
    return claims
