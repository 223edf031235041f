"""A pending login: what was proved so far, as text that the client brings back with its next proof.

Nothing of it is stored. The text is a fixed prefix, which secret scanners can look for, and base64url
of one JSON array and a full HMAC-SHA256 over a label of this use and that array. The MAC is checked
before anything is read, so a client without a key reaches no store, and every refusal is the same
error. It opens nothing by itself: it is no access token, no refresh token and no session, and it is
worth nothing without one more proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Literal

import msgspec

from sealring.authentication.decision import PROOF_SECONDS
from sealring.authentication.method import Factor
from sealring.authentication.proof import Proof
from sealring.errors import InvalidPendingLogin
from sealring.jwt.base64url import encode
from sealring.sessions.mac import MAC_BYTES, MacKeys, read_bytes

PREFIX: Final = "sealring_pl1_"
"""Begins every pending login: kind and version of the layout."""
MAX_LENGTH: Final = 2048
"""Characters; one proof takes about 200."""

PendingLoginCause = Literal[
    "pending login is too old",
    "pending login is of another browser",
    "pending login was used",
    "account changed since the login began",
    "identity provider answered before",
    "session at the identity provider has ended",
]
"""Why a genuine pending login is refused: for the audit log; a client gets one answer for all of them."""


class PendingLogin(msgspec.Struct, frozen=True, kw_only=True):
    """A login that needs one more factor."""

    id: str
    """Random; used up when the login completes, so that of two that bring the same text one logs in."""
    account_id: str
    epoch: int
    """The account's epoch when the first proof was given: the session starts only if it is still this (U13)."""
    proofs: tuple[Proof, ...]
    expires_at: int
    """Unix seconds; the next proof must come before."""
    browser: str
    """Digest of what binds it to one browser (`digest_of_browser`)."""


class PendingLoginCodec:
    """Turns pending logins into text and back, under one or more keys.

    Args:
        keys: the first encodes, all decode: at least one, each of 32 bytes or more.

    >>> codec = PendingLoginCodec([b"a key of at least 32 bytes, please"])
    >>> proof = Proof(method="password", account_id="42", at=1_700_000_000, amr=("pwd",))
    >>> pending = PendingLogin(
    ...     id="c2VhbHJpbmc", account_id="42", epoch=0, proofs=(proof,), expires_at=1_700_000_300,
    ...     browser=digest_of_browser(""),
    ... )
    >>> text = codec.encode(pending)
    >>> text[:13], codec.decode(text, now=1_700_000_299, browser="") == pending
    ('sealring_pl1_', True)
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = MacKeys(keys, label="pending login 1")

    def encode(self, pending: PendingLogin) -> str:
        """Return the text of the pending login, under the first key.

        Raises:
            ValueError: it is longer than `decode` reads.
        """
        body = _write(pending)
        text = PREFIX + encode(self._keys.sign(body) + body)
        if len(text) > MAX_LENGTH:
            raise ValueError(f"a pending login must be at most {MAX_LENGTH} characters")
        return text

    def decode(self, text: object, *, now: int, browser: str) -> PendingLogin:
        """Return the pending login that `text` is.

        Args:
            text: what the client brought.
            now: Unix seconds.
            browser: what the client shows that the login was bound to; see `digest_of_browser`.

        Raises:
            InvalidPendingLogin: it is anything but the text of a pending login under one of the keys, of this browser,
                and not yet expired.
        """
        data = read_bytes(text, prefix=PREFIX, max_length=MAX_LENGTH)
        if data is None:
            raise InvalidPendingLogin("not a pending login")
        mac, body = data[:MAC_BYTES], data[MAC_BYTES:]
        if not self._keys.verify(body, mac):
            raise InvalidPendingLogin("not a pending login")
        try:
            pending = _read(body)
        except msgspec.MsgspecError as error:
            raise InvalidPendingLogin("not a pending login") from error
        # a node whose clock is far behind would otherwise take a pending login for longer than it was made for
        if not now < pending.expires_at <= now + 2 * PROOF_SECONDS:
            raise InvalidPendingLogin("pending login is too old", pending.account_id)
        if not compare_digest(pending.browser, digest_of_browser(browser)):
            raise InvalidPendingLogin("pending login is of another browser", pending.account_id)
        return pending


def digest_of_browser(browser: str) -> str:
    """What a pending login keeps of the text that binds it: the value of a cookie, or nothing for other clients.

    The pending login may be seen where the cookie may not, so it holds a digest.
    """
    return encode(sha256(b"sealring pending login of a browser\x00" + browser.encode(errors="surrogatepass")).digest())


class _Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    id: str
    account_id: str
    epoch: int
    expires_at: int
    browser: str
    proofs: tuple[tuple[str, int, str, tuple[str, ...], str, tuple[Factor, ...] | None, int | None], ...]


_read_wire = msgspec.json.Decoder(_Wire).decode


def _write(pending: PendingLogin) -> bytes:
    if any(proof.account_id != pending.account_id for proof in pending.proofs):
        raise ValueError("proofs must be of the account that is logging in")
    proofs = tuple(
        (
            proof.method,
            proof.at,
            proof.credential_id,
            proof.amr,
            proof.provider_session,
            None if proof.factors is None else tuple(sorted(proof.factors)),
            proof.authenticated_at,
        )
        for proof in pending.proofs
    )
    return msgspec.json.encode(
        _Wire(pending.id, pending.account_id, pending.epoch, pending.expires_at, pending.browser, proofs)
    )


def _read(body: bytes) -> PendingLogin:
    wire = _read_wire(body)
    proofs = (
        Proof(
            method=method,
            account_id=wire.account_id,
            at=at,
            credential_id=credential_id,
            amr=amr,
            provider_session=provider_session,
            factors=None if factors is None else frozenset(factors),
            authenticated_at=authenticated_at,
        )
        for method, at, credential_id, amr, provider_session, factors, authenticated_at in wire.proofs
    )
    return PendingLogin(
        id=wire.id,
        account_id=wire.account_id,
        epoch=wire.epoch,
        proofs=tuple(proofs),
        expires_at=wire.expires_at,
        browser=wire.browser,
    )
