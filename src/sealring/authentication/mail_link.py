"""What a mail proves: a link and a code, made from the account as it is, and nothing of them stored. Pure.

A link holds whose account it is for, what it is good for, where it was sent and until when, with a digest of what it
rests on: the address, whether it is verified, the password's hash, as its purpose needs. A change of any of these
makes it worthless, so a link that was used or overtaken is dead without a table that says so. The MAC over all of it is
checked before anything is read, so a client without a key reaches no store (R9). A code is eight digits of a MAC over
the same facts and a window of time: the account's rate limits keep it from being guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest
from types import MappingProxyType
from typing import Final, Literal, assert_never

import msgspec

from sealring.accounts.account import Account
from sealring.errors import InvalidMailLink
from sealring.jwt.base64url import encode
from sealring.sessions.mac import MAC_BYTES, MacKeys, read_bytes

PREFIX: Final = "sealring_ml1_"
"""Begins every link's token: kind and version of the layout. Secret scanners can look for it."""
MAX_LENGTH: Final = 2048
CODE_DIGITS: Final = 8
"""Of which a stranger tries 60 in 30 days: one in a million accounts."""
CODE_SECONDS: Final = 600
"""A code is good for 10 to 20 minutes: in the window of time in which it was sent, and in the next."""

MailPurpose = Literal["verify", "reset", "change", "undo"]

LINK_SECONDS: Final[Mapping[MailPurpose, int]] = MappingProxyType(
    {"verify": 86_400, "reset": 3600, "change": 3600, "undo": 7 * 86_400}
)
"""How long a link is good for. NIST SP 800-63B-4 allows a day for what is sent by mail; only `undo` logs nobody in,
changes no password, and must wait until its reader is back from a journey."""


class MailLink(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A link's token, whose MAC is good; `state` is to be compared with the account."""

    purpose: MailPurpose
    account_id: str
    email: str
    """Where it was sent."""
    expires_at: int
    """Unix seconds."""
    state: str


class MailLinks:
    """Makes links and codes, and knows its own.

    Args:
        keys: secret keys; the first writes, all read.

    >>> links = MailLinks([b"a key of at least 32 bytes, please"])
    >>> ada = Account(id="42", name="Ada", canonical_name="ada", email="ada@example.com", password_hash=None,
    ...     created_at=0)
    >>> link = links.read(links.link("verify", ada, ada.email, now=0), now=86_399)
    >>> link.account_id, links.rests_on(link, ada)
    ('42', True)
    """

    __slots__ = ("_codes", "_links")

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._links = MacKeys(keys, label="mail link 1")
        self._codes = tuple(MacKeys([key], label="mail code 1") for key in keys)

    def link(self, purpose: MailPurpose, account: Account, email: str, *, now: int) -> str:
        """The token of a link that is sent to `email`.

        Args:
            purpose: what it is good for.
            account: as it is now.
            email: where it goes.
            now: Unix seconds.
        """
        expires_at = now + LINK_SECONDS[purpose]
        state = state_of(purpose, account, email)
        body = msgspec.json.encode(MailLink(purpose, account.id, email, expires_at, state))
        return PREFIX + encode(self._links.sign(body) + body)

    def read(self, text: object, *, now: int) -> MailLink:
        """The link whose token this is.

        Raises:
            InvalidMailLink: not ours, or expired.
        """
        data = read_bytes(text, prefix=PREFIX, max_length=MAX_LENGTH)
        if data is None or not self._links.verify(data[MAC_BYTES:], data[:MAC_BYTES]):
            raise InvalidMailLink("not a link of ours")
        try:
            link = _read(data[MAC_BYTES:])
        except msgspec.MsgspecError as error:
            raise InvalidMailLink("not a link of ours") from error
        # a node whose clock is far behind would otherwise take a link for longer than it was made for
        if not now < link.expires_at <= now + 2 * LINK_SECONDS[link.purpose]:
            raise InvalidMailLink("link is too old", link.account_id)
        return link

    def rests_on(self, link: MailLink, account: Account) -> bool:
        """Whether nothing that the link rests on has changed."""
        state = state_of(link.purpose, account, link.email)
        return link.account_id == account.id and compare_digest(link.state, state)

    def login_code(self, mail_id: str) -> str:
        """The code of a mail to log in with: of the mail, as each is good once."""
        return _code(self._codes[0], ("login", mail_id), 0)

    def keyed(self, text: str) -> list[str]:
        """What the store may know of a code: its MAC under each key, the first of which writes."""
        return [encode(keys.sign(text.encode(errors="surrogatepass"))) for keys in self._codes]

    def code(self, purpose: MailPurpose, account: Account, email: str, *, now: int) -> str:
        """The code that goes with a link: eight digits."""
        return _code(self._codes[0], (state_of(purpose, account, email), email), now // CODE_SECONDS)

    def is_code(self, code: str, purpose: MailPurpose, account: Account, email: str, *, now: int) -> bool:
        """Whether this is the code of now, or of the window before, under one of the keys."""
        typed = "".join(code.split()).encode(errors="replace")
        facts, known = (state_of(purpose, account, email), email), False
        for keys in self._codes:  # all are compared, so that the time tells nothing
            for window in (now // CODE_SECONDS, now // CODE_SECONDS - 1):
                known |= compare_digest(_code(keys, facts, window).encode(), typed)
        return known


def state_of(purpose: MailPurpose, account: Account, email: str) -> str:
    """A digest of what a link for this purpose rests on."""
    facts: tuple[object, ...]
    match purpose:
        case "verify":
            facts = (account.email, account.email_verified_at)
        case "reset":
            facts = (account.email, account.email_verified_at, account.password_hash)
        case "change":
            facts = (account.email, account.email_verified_at, account.password_hash, email)
        case "undo":
            facts = (account.email_changed_at, email)
        case _:
            assert_never(purpose)
    return encode(sha256(msgspec.json.encode((purpose, account.id, *facts))).digest())


_read = msgspec.json.Decoder(MailLink).decode


def _code(keys: MacKeys, facts: tuple[str, str], window: int) -> str:
    body = msgspec.json.encode((*facts, window))
    return f"{int.from_bytes(keys.sign(body)[:16]) % 10**CODE_DIGITS:0{CODE_DIGITS}}"
