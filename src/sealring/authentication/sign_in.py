"""An attempt to log in at an identity provider, as the `state` that goes there and comes back. Pure.

Nothing of it is stored until it comes back. The text is a MAC and one JSON array; it says by which provider, for which
browser, until when, and where the browser goes afterwards. `nonce` and the PKCE verifier are MACs of its id under the
same key: nobody else can make them, and no cookie has to carry them. So two tabs of one browser are two attempts.
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from typing import Final

import msgspec

from sealring.authentication.pending import digest_of_browser
from sealring.errors import InvalidPendingLogin
from sealring.jwt.base64url import encode
from sealring.sessions.mac import MAC_BYTES, MacKeys, read_bytes

PREFIX: Final = "sealring_si1_"
ATTEMPT_SECONDS: Final = 600
"""A login at a provider may need a password, a phone and a consent."""
MAX_NEXT: Final = 512
"""Characters of the path to go to afterwards."""
MAX_LENGTH: Final = 2048


class Link(msgspec.Struct, frozen=True, array_like=True):
    """Whose account gets the identity, where one who is logged in asked for it."""

    account_id: str
    session_id: str
    epoch: int


class SignInAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt."""

    id: str
    """Random: used up when the provider answers."""
    provider: str
    browser: str
    """Digest of what binds it to one browser (`digest_of_browser`)."""
    next: str
    """A local path, checked when the attempt began."""
    redirect_uri: str
    """Where the provider sends the browser: said again with the code (RFC 6749 §4.1.3)."""
    expires_at: int
    """Unix seconds."""
    link: Link | None = None
    new_account: bool = False
    """Whether the user said that the account with this address, which nobody has verified, is not theirs."""
    fresh: bool = False
    """Whether the provider must ask the user again who they are, whatever session it has (`max_age=0`)."""


class _Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    id: str
    provider: str
    browser: str
    next: str
    redirect_uri: str
    expires_at: int
    link: Link | None
    new_account: bool
    fresh: bool


_read_wire = msgspec.json.Decoder(_Wire).decode


class SignInCodec:
    """Turns attempts into text and back, under one or more keys.

    Args:
        keys: the first encodes, all decode: at least one, each of 32 bytes or more.

    >>> codec = SignInCodec([b"a key of at least 32 bytes, please"])
    >>> attempt = SignInAttempt(
    ...     id="c2VhbHJpbmc",
    ...     provider="acme",
    ...     browser=digest_of_browser("b"),
    ...     next="/",
    ...     redirect_uri="https://example.com/auth/oidc/acme/callback",
    ...     expires_at=1_700_000_600,
    ... )
    >>> codec.decode(codec.encode(attempt), now=1_700_000_000, browser="b") == attempt
    True
    """

    __slots__ = ("_keys", "_nonces", "_verifiers")

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = MacKeys(keys, label="provider login 1")
        self._nonces = MacKeys(keys, label="provider login nonce 1")
        self._verifiers = MacKeys(keys, label="provider login code verifier 1")

    def encode(self, attempt: SignInAttempt) -> str:
        """Return the text of an attempt, under the first key.

        Raises:
            ValueError: it is longer than `decode` reads.
        """
        body = msgspec.json.encode(
            _Wire(
                attempt.id, attempt.provider, attempt.browser, attempt.next, attempt.redirect_uri, attempt.expires_at,
                attempt.link, attempt.new_account, attempt.fresh,
            )
        )  # fmt: skip
        text = PREFIX + encode(self._keys.sign(body) + body)
        if len(text) > MAX_LENGTH:
            raise ValueError(f"an attempt must be at most {MAX_LENGTH} characters")
        return text

    def read(self, text: object) -> SignInAttempt | None:
        """Return the attempt that a text of ours is, whatever its age and its browser; None for any other text."""
        data = read_bytes(text, prefix=PREFIX, max_length=MAX_LENGTH)
        if data is None or not self._keys.verify(data[MAC_BYTES:], data[:MAC_BYTES]):
            return None
        try:
            wire = _read_wire(data[MAC_BYTES:])
        except msgspec.MsgspecError:
            return None
        return SignInAttempt(
            id=wire.id,
            provider=wire.provider,
            browser=wire.browser,
            next=wire.next,
            redirect_uri=wire.redirect_uri,
            expires_at=wire.expires_at,
            link=wire.link,
            new_account=wire.new_account,
            fresh=wire.fresh,
        )

    def decode(self, text: object, *, now: int, browser: str) -> SignInAttempt:
        """Return the attempt that a text is.

        Args:
            text: what came back as `state`.
            now: Unix seconds.
            browser: what binds the attempt to the browser that began it.

        Raises:
            InvalidPendingLogin: it is not ours, too old, or of another browser.
        """
        attempt = self.read(text)
        if attempt is None:
            raise InvalidPendingLogin("not a login of ours")
        if not now < attempt.expires_at <= now + 2 * ATTEMPT_SECONDS:
            raise InvalidPendingLogin("pending login is too old")
        if not browser or not compare_digest(attempt.browser, digest_of_browser(browser)):
            raise InvalidPendingLogin("pending login is of another browser")
        return attempt

    def nonce(self, attempt: SignInAttempt) -> str:
        """What the ID token must hold: a stolen or older one does not (OpenID Connect Core §3.1.2.1)."""
        return encode(self._nonces.sign(attempt.id.encode()))

    def verifier(self, attempt: SignInAttempt) -> str:
        """The PKCE verifier (RFC 7636 §4.1): a stolen code is worth nothing without it."""
        return encode(self._verifiers.sign(attempt.id.encode()))
