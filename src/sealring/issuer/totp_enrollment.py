"""The enrollment of an authenticator app: a seed is shown once, and counts once the app has shown a code of it.

Nothing is stored in between. The seed goes to the client and comes back as encrypted text, which is bound to the
account, its epoch and the session or login that asked, and good for ten minutes. One account has one app: the id of
its credential says so, and a second one is refused by the store.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import msgspec

from sealring.accounts.account import Account
from sealring.accounts.credential import Credential
from sealring.authentication.method import TOTP
from sealring.authentication.sealed import NONCE_BYTES, Sealed
from sealring.authentication.totp import SEED_BYTES, accepted_step, secret_text
from sealring.errors import InvalidField
from sealring.issuer.qr_code import qr_svg
from sealring.jwt.base64url import encode
from sealring.sessions.mac import read_bytes

ENROLLMENT_SECONDS = 600
PREFIX = "sealring_te1_"
MAX_LENGTH = 512


@dataclass(frozen=True, slots=True)
class StartedEnrollment:
    """What the user's app needs, and what comes back with its first code."""

    enrollment: str = field(repr=False)
    secret: str = field(repr=False)
    uri: str = field(repr=False)
    qr: str = field(repr=False)


class _Seed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    seed: bytes
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TotpEnrollment:
    """Starts and completes enrollments.

    Args:
        sealed: encrypts seeds.
        issuer: the name that an app shows beside the code.
        clock: Unix milliseconds.
    """

    sealed: Sealed
    issuer: str
    clock: Callable[[], int]

    def start(self, account: Account, *, bound_to: str) -> StartedEnrollment:
        """Make a seed for an account; `bound_to` is the session, or the login, that it is shown in."""
        seed = secrets.token_bytes(SEED_BYTES)
        kept = msgspec.json.encode(_Seed(seed, self.clock() // 1000 + ENROLLMENT_SECONDS))
        text = self.sealed.encrypt(kept, context=_context(account, bound_to), nonce=secrets.token_bytes(NONCE_BYTES))
        uri = enrollment_uri(seed, issuer=self.issuer, username=account.name)
        return StartedEnrollment(PREFIX + encode(text), secret_text(seed), uri, qr_svg(uri))

    def complete(self, account: Account, enrollment: str, code: str, *, bound_to: str) -> Credential:
        """The credential of an app that has shown a code of the seed; that code counts for no login.

        Raises:
            InvalidField: `enrollment` is not of this account and session, or too old; `code` is wrong.
        """
        now = self.clock() // 1000
        text = read_bytes(enrollment, prefix=PREFIX, max_length=MAX_LENGTH)
        kept = None if text is None else self.sealed.decrypt(text, context=_context(account, bound_to))
        started = None if kept is None else msgspec.json.decode(kept, type=_Seed)
        if started is None or not now < started.expires_at <= now + 2 * ENROLLMENT_SECONDS:
            raise InvalidField("enrollment", "is not good, or has expired: start again")
        step = accepted_step(started.seed, code, now=now, after=0)
        if step is None:
            raise InvalidField("code", "is wrong: is the clock of the device right?")
        own_id = credential_id(account.id)
        return Credential(
            id=own_id,
            account_id=account.id,
            method=TOTP.name,
            encrypted=self.sealed.encrypt(started.seed, context=own_id, nonce=secrets.token_bytes(NONCE_BYTES)),
            counter=step,
            created_at=now,
        )


def credential_id(account_id: str) -> str:
    """The id of an account's one authenticator app."""
    return f"totp_{account_id}"


def _context(account: Account, bound_to: str) -> str:
    return f"totp enrollment {account.id} {account.epoch} {bound_to}"


def enrollment_uri(seed: bytes, *, issuer: str, username: str) -> str:
    """What the QR code holds (Key URI Format of Google Authenticator, which every app reads).

    >>> enrollment_uri(b"1234567890", issuer="Shop", username="ann@example.com")
    'otpauth://totp/Shop:ann%40example.com?secret=GEZDGNBVGY3TQOJQ&issuer=Shop'
    """
    shown = issuer.replace(":", " ")  # a colon ends the issuer in the label
    label = f"{quote(shown, safe='')}:{quote(username, safe='')}"
    return f"otpauth://totp/{label}?{urlencode({'secret': secret_text(seed), 'issuer': shown}, quote_via=quote)}"
