"""Login by a code that is mailed, without a password (`SEALRING_EMAIL_LOGIN`): the link in the mail holds the code.

The code is made of the mail's id, and the store keeps a digest of it under a key, so neither the outbox nor a dump of
the database opens anything (I15). It counts once, in the browser in which the login began: a thief who talks somebody
into reading it out has nothing, nor has who opens the link elsewhere. Only a verified address logs in; the account's
second factor, if it has one, is asked for as ever.
"""

# ruff: noqa: D102
# what each method promises stands once, in the protocol

from __future__ import annotations

from collections.abc import Mapping

from sealring.accounts.account import Account
from sealring.audit.event import Event
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.mail_link import CODE_SECONDS, MailLinks
from sealring.authentication.method import EMAIL
from sealring.authentication.one_time import OneTime, digest_of
from sealring.authentication.pending import digest_of_browser
from sealring.authentication.proof import Proof
from sealring.issuer.commit import CommittingStore
from sealring.issuer.hashing import HashingSlot
from sealring.issuer.mail_drafts import MailDrafts
from sealring.issuer.methods import Failed, LoginMethod, Proved

PURPOSE = "mailed login code"


class EmailMethod(LoginMethod):
    """Proves that somebody reads an account's mail: `email` and `code` of the response.

    Args:
        store: where accounts and digests of codes are.
        links: makes the codes.
        drafts: writes the mails.
    """

    row = EMAIL

    def __init__(self, store: CommittingStore, links: MailLinks, drafts: MailDrafts) -> None:
        self._store = store
        self._links = links
        self._drafts = drafts

    def claimed_name(self, response: Mapping[str, str]) -> str:
        return response["email"]

    async def is_enrolled(self, account: Account) -> bool:
        return account.email_verified and self._drafts.are_sent

    async def begin(
        self,
        account: Account | None,  # noqa: ARG002 - see `send`
        *,
        browser: str,  # noqa: ARG002
        now: int,  # noqa: ARG002
    ) -> Mapping[str, str]:
        return {}

    async def send(self, account: Account | None, client: ClientInfo) -> None:
        now_ms = self._drafts.clock()
        if account is None:
            event = Event(kind="mail_requested", at_ms=now_ms, address=client.address, cause="login of nobody")
            code = OneTime(digest=digest_of(PURPOSE, ""), purpose=PURPOSE, subject="", expires_at=0)
        else:
            (mail,) = self._drafts.draft("login", account.id, account.email, client)
            digest = self._digests(account, self._links.login_code(mail.id), digest_of_browser(client.browser))[0]
            code = OneTime(
                digest=digest,
                purpose=PURPOSE,
                subject=account.id,
                data=mail.email,
                expires_at=now_ms // 1000 + CODE_SECONDS,
            )
            event = Event(
                kind="mail_requested",
                at_ms=now_ms,
                subject=account.id,
                address=client.address,
                cause="login",
                mails=(mail,),
            )
        await self._store.put_once(code)
        await self._store.settle_attempt("", event)

    async def prove(
        self, account: Account | None, response: Mapping[str, str], *, slot: HashingSlot | None, browser: str, now: int
    ) -> Proved | Failed:
        del slot
        typed = "".join(response["code"].split())
        digests = self._digests(account, typed, digest_of_browser(browser))
        taken = [await self._store.take_once(digest, purpose=PURPOSE, now=now) for digest in digests]
        sent = next((one for one in taken if one is not None), None)
        if account is None or sent is None:
            return Failed("unknown name" if account is None else "wrong code")
        if not account.email_verified or account.email != sent.data:
            return Failed("email address changed meanwhile")
        return Proved(account, Proof(method=self.row.name, account_id=account.id, at=now, amr=tuple(self.row.amr)))

    def _digests(self, account: Account | None, code: str, browser: str) -> list[str]:
        subject = "" if account is None else account.id
        return [digest_of(PURPOSE, keyed) for keyed in self._links.keyed(f"{subject} {browser} {code}")]
