"""Email addresses of accounts: verification, a forgotten password, another address and how that is undone.

Nobody learns here whether an address is known: what is asked by an address is answered alike, in words and in time, and
a mail, if there is one, goes out after the answer (I11). A link or a code is read, compared with the account as it is,
and what it allows is written only while the account's epoch is still that: of two uses one is made, and what was
overtaken is dead (I7). A reset ends all sessions and starts none, so it does not stand for a second factor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from sealring.accounts.account import Account
from sealring.accounts.changes import AccountChange, EmailChange, PasswordChange
from sealring.accounts.names import check_email
from sealring.accounts.policy import AccountPolicy
from sealring.audit.event import Event, EventKind
from sealring.audit.queued_mail import MailKind, QueuedMail
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.mail_link import LINK_SECONDS, MailLink, MailLinks, MailPurpose
from sealring.errors import EmailUnverified, InvalidField, InvalidMailLink, NotFound, Revoked
from sealring.issuer.accounts import MAILBOX, Accounts, canonical_email_of
from sealring.issuer.commit import CommittingStore
from sealring.issuer.login_attempts import LoginAttempt
from sealring.issuer.mail_drafts import MailDrafts
from sealring.rate_limits.buckets import AccountBuckets
from sealring.rate_limits.rate import RateLimit

MAILS_PER_ADDRESS = RateLimit(5, 3600)
"""To one mailbox, for one network that asks: an attacker who floods a mailbox through us sends five an hour from each,
and in a month no more than 60 in all (see `account_buckets`)."""
MOST_ACCOUNTS = 3
"""To how many accounts with one address, which none has verified, a mail for a forgotten password goes."""
LINKS = "\0link of "
"""Begins the names of their buckets, as `MAILBOX`."""


@dataclass(frozen=True, slots=True)
class LinkProof:
    """The token of a link."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CodeProof:
    """A code, and the address that it was sent to; `account_id` of a caller who is logged in."""

    code: str = field(repr=False)
    email: str
    account_id: str | None = None


MailProof = LinkProof | CodeProof


class Proven(NamedTuple):
    """What was proved: for which account, and what it allows."""

    account: Account
    purpose: MailPurpose
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailAddresses:
    """The email addresses of this issuer's accounts.

    Args:
        store: where accounts live.
        accounts: counts attempts.
        policy: what is asked of a new password.
        links: reads links and codes.
        drafts: writes mails.
        clock: Unix milliseconds.
    """

    store: CommittingStore
    accounts: Accounts
    policy: AccountPolicy
    links: MailLinks
    drafts: MailDrafts
    clock: Callable[[], int]

    # verification

    async def start_verification(self, account_id: str, client: ClientInfo) -> None:
        """Send a mail by which a user who is logged in verifies the address of the account.

        Raises:
            InvalidField: the account has no address, or it is verified already.
            NotFound: no mail is set up.
            Throttled: too many mails to this address.
        """
        self._check_mail()
        account = await self.store.find_account(id=account_id)
        if account is None or account.email is None or account.canonical_email is None:
            raise InvalidField("email", "the account has none; set one first")
        if account.email_verified:
            raise InvalidField("email", "is verified already")
        async with self.accounts.attempts.beginning(self._mailing(account.canonical_email, client), client):
            await self._send_verification(account, client)

    async def require_verified(self, account: Account, client: ClientInfo) -> None:
        """Refuse a login whose account has not verified its address, and send the mail for it once more.

        Raises:
            EmailUnverified: the address is not verified.
        """
        if account.email_verified:
            return
        if account.canonical_email is not None:
            buckets = self._mailing(account.canonical_email, client)
            if await self.accounts.attempts.has_room(buckets):
                await self._send_verification(account, client)
        raise EmailUnverified

    async def _send_verification(self, account: Account, client: ClientInfo) -> None:
        mails = await self.first_mail(account, client)
        event = self._event("mail_requested", account.id, client, cause="verification", mails=mails)
        await self.store.settle_attempt("", event)

    async def first_mail(self, account: Account, client: ClientInfo) -> tuple[QueuedMail, ...]:
        """The mail by which an account proves its address; to the owner of the address, where another has it verified.

        What follows is alike for both, so that trying an address finds nothing out (U3).
        """
        if account.email is None or account.canonical_email is None:
            return ()
        found = await self.store.find_accounts_by_email(account.canonical_email, limit=1)
        owner = next((other for other in found if other.email_verified and other.id != account.id), None)
        if owner is None:
            return self.drafts.draft("verify", account.id, account.email, client)
        return self.drafts.draft("taken", owner.id, owner.email, client)

    async def confirm(self, proof: MailProof, client: ClientInfo) -> Account:
        """Verify an address by a link or a code: that of the account, or the one that is to replace it.

        Returns:
            The account, as it is now.

        Raises:
            InvalidMailLink: unknown, expired, used or overtaken.
            InvalidField: another account has verified this address meanwhile.
            Throttled: too many wrong codes.
        """
        self._check_mail()
        read = self._read(proof)
        async with self.accounts.attempts.attempt(self._proving(read, client), client, hashes=False) as attempt:
            shown = await self._show(read, ("verify", "change"), client)
            kind: EventKind = "email_verified" if shown.purpose == "verify" else "email_changed"
            mails: tuple[QueuedMail, ...] = ()
            if shown.purpose == "verify":
                change = self._verified(shown.account)
            else:
                change, mails = self._changed(shown.account, shown.email, client)
            cause = "by link" if isinstance(proof, LinkProof) else "by code"
            await self._write(shown, change, kind, client, cause=cause, mails=mails)
            await self._proved(attempt, shown.account)
        return await self.accounts.get(shown.account.id)

    def _verified(self, account: Account) -> EmailChange:
        return EmailChange(
            email=account.email,
            canonical_email=account.canonical_email,
            verified_at=self._now(),
            changed_at=account.email_changed_at,
            epoch=account.epoch,
            revokes="nothing",
        )

    # another address

    async def request_change(self, account_id: str, email: str, *, epoch: int, client: ClientInfo) -> None:
        """Send a mail to the new address: nothing is changed before that proves itself.

        Raises:
            InvalidField: `email` cannot be accepted, or is the address already.
            Revoked: the caller's access token was overtaken, or the account is gone.
            NotFound: no mail is set up.
            Throttled: too many mails to this address.
        """
        self._check_mail()
        address, canonical = check_email(email)
        account = await self.store.find_account(id=account_id)
        if account is None or account.epoch != epoch or account.status != "active":
            raise Revoked("subject")
        if account.email == address and account.email_verified:
            raise InvalidField("email", "is the address of the account already")
        async with self.accounts.attempts.beginning(self._mailing(canonical, client), client):
            found = await self.store.find_accounts_by_email(canonical, limit=1)
            owner = next((other for other in found if other.email_verified and other.id != account.id), None)
            if owner is not None:
                mails = self.drafts.draft("taken", owner.id, owner.email, client)
            else:
                kind: MailKind = "verify" if account.email == address else "change"
                mails = self.drafts.draft(kind, account.id, address, client)
            event = self._event("mail_requested", account.id, client, cause="change of the address", mails=mails)
            await self.store.settle_attempt("", event)

    def _changed(self, account: Account, email: str, client: ClientInfo) -> tuple[EmailChange, tuple[QueuedMail, ...]]:
        """The change to a proved address, and the mail to the one before.

        Within a week only the first of several changes can be undone: a thief of a session who changes the address
        twice must not get a link that brings the first new one back.
        """
        now = self._now()
        address, canonical = check_email(email)
        since = account.email_changed_at
        in_chain = since is not None and now < since + LINK_SECONDS["undo"]
        mails: tuple[QueuedMail, ...] = ()
        if account.email_verified:
            mails = self.drafts.draft("changed_again" if in_chain else "changed", account.id, account.email, client)
        change = EmailChange(
            email=address,
            canonical_email=canonical,
            verified_at=now,
            changed_at=since if in_chain else now if account.email_verified else None,
            epoch=account.epoch,
        )
        return change, mails

    async def undo(self, token: str, client: ClientInfo) -> None:
        """Bring the address back that a link was sent to; every session ends, and a mail for a new password goes there.

        Raises:
            InvalidMailLink: unknown, expired, used or overtaken.
            InvalidField: another account has verified this address meanwhile.
        """
        self._check_mail()
        read = self._read(LinkProof(token))
        async with self.accounts.attempts.attempt(self._proving(read, client), client, hashes=False) as attempt:
            shown = await self._show(read, ("undo",), client)
            address, canonical = check_email(shown.email)
            change = EmailChange(
                email=address,
                canonical_email=canonical,
                verified_at=self._now(),
                epoch=shown.account.epoch,
                revokes="sessions",
            )
            mails = self.drafts.draft("reset", shown.account.id, address, client)
            await self._write(shown, change, "email_changed", client, cause="undone by link", mails=mails)
            await self._proved(attempt, shown.account)

    # a forgotten password

    async def forgot(self, email: str, client: ClientInfo) -> None:
        """Send a mail for a new password to an address, if there is such an account. Always the same answer (I11).

        Where one account has the address verified, it is for that; else for the oldest that have it. An account with
        other credentials than a password is reached by a verified address alone: who merely typed the address of
        somebody else must not have them log in where a passkey of a stranger's opens, too.

        Raises:
            NotFound: no mail is set up.
            Throttled: too many mails to this address, or from this one; whether it is known does not show.
        """
        self._check_mail()
        canonical = canonical_email_of(email)
        async with self.accounts.attempts.beginning(self._mailing(canonical, client), client):
            found = await self.store.find_accounts_by_email(canonical, limit=MOST_ACCOUNTS)
            reached = [account for account in _reached(found) if await self._may_reset(account)]
            mails = [mail for one in reached for mail in self.drafts.draft("reset", one.id, one.email, client)]
            subject = reached[0].id if reached else ""
            cause = "forgotten password" if mails else "forgotten password of nobody"
            event = self._event("mail_requested", subject, client, cause=cause, mails=mails)
            await self.store.settle_attempt("", event)

    async def reset_password(self, proof: MailProof, new: str, client: ClientInfo) -> Account:
        """Replace a password by a link or a code: every session ends, and none starts.

        The address is verified by it, unless another account has it meanwhile.

        Returns:
            The account, as it is now.

        Raises:
            InvalidMailLink: unknown, expired, used or overtaken.
            InvalidField: `new` cannot be accepted; link and code are as good as before.
            Throttled, Overloaded: try again later.
        """
        self._check_mail()
        try:
            self.policy.check_password(new, None)
        except InvalidField as refused:
            raise InvalidField("new", refused.reason) from None
        read = self._read(proof)
        async with self.accounts.attempts.attempt(self._proving(read, client), client) as attempt:
            shown = await self._show(read, ("reset",), client)
            account = shown.account
            try:
                form = self.policy.check_password(new, account)
            except InvalidField as refused:
                raise InvalidField("new", refused.reason) from None
            change = PasswordChange(
                old_hash=account.password_hash,
                new_hash=await attempt.hashing_slot.hash(form),
                epoch=account.epoch,
            )
            await self._write(shown, change, "password_changed", client, cause="reset by mail")
            await self._proved(attempt, account)
        account = await self.accounts.get(account.id)
        if not account.email_verified and account.email == shown.email:
            await self._verify_by_reset(account, client)
        return await self.accounts.get(account.id)

    async def _verify_by_reset(self, account: Account, client: ClientInfo) -> None:
        event = self._event("email_verified", account.id, client, cause="by reset")
        try:
            await self.store.change_account(account.id, self._verified(account), event, now=self._now())
        except InvalidField:  # another account has it: the password was changed, and that is what was asked for
            return

    async def _may_reset(self, account: Account) -> bool:
        if account.status != "active":
            return False
        return account.email_verified or not await self.store.find_credentials(account_id=account.id)

    # steps

    def _check_mail(self) -> None:
        if not self.drafts.are_sent:
            raise NotFound("no mail is set up here (SEALRING_MAIL_URL)")

    def _read(self, proof: MailProof) -> MailLink | CodeProof:
        """A link whose MAC is good, or a code as it came; what is not ours counts nowhere and reaches no store (R9)."""
        return proof if isinstance(proof, CodeProof) else self.links.read(proof.token, now=self._now())

    async def _show(self, read: MailLink | CodeProof, purposes: tuple[MailPurpose, ...], client: ClientInfo) -> Proven:
        """What a link or a code proves.

        Raises:
            InvalidMailLink: nothing.
        """
        if isinstance(read, MailLink):
            return await self._show_link(read, purposes, client)
        return await self._show_code(read, purposes, client)

    async def _show_link(self, link: MailLink, purposes: tuple[MailPurpose, ...], client: ClientInfo) -> Proven:
        account = await self.store.find_account(id=link.account_id)
        good = link.purpose in purposes and account is not None and self.links.rests_on(link, account)
        if not good or account is None or not await self._may_use(account, link.purpose):
            await self._refuse(client, link.account_id, "link was used or overtaken")
        return Proven(account, link.purpose, link.email)

    async def _show_code(self, proof: CodeProof, purposes: tuple[MailPurpose, ...], client: ClientInfo) -> Proven:
        shown: Proven | None = None
        for account in await self._candidates(proof):
            for purpose in purposes:
                email = account.email if purpose != "change" else _address_of(proof.email)
                if email is None or (purpose == "change" and account.id != proof.account_id):
                    continue
                known = self.links.is_code(proof.code, purpose, account, email, now=self._now())
                if known and await self._may_use(account, purpose):
                    shown = Proven(account, purpose, email)
        if shown is None:
            await self._refuse(client, proof.account_id or "", "wrong code")
        return shown

    async def _candidates(self, proof: CodeProof) -> Iterable[Account]:
        if proof.account_id is not None:
            account = await self.store.find_account(id=proof.account_id)
            return [] if account is None else [account]
        return _reached(await self.store.find_accounts_by_email(canonical_email_of(proof.email), limit=MOST_ACCOUNTS))

    async def _may_use(self, account: Account, purpose: MailPurpose) -> bool:
        if account.status != "active":
            return False
        if purpose == "verify":
            return not account.email_verified
        return purpose != "reset" or await self._may_reset(account)

    async def _refuse(self, client: ClientInfo, subject: str, cause: str) -> NoReturn:
        event = self._event("mail_link_refused", subject, client, cause=cause)
        await self.store.settle_attempt("", event)
        await self.accounts.attempts.charge(client)
        raise InvalidMailLink(cause, subject)

    async def _write(
        self,
        shown: Proven,
        change: AccountChange,
        kind: EventKind,
        client: ClientInfo,
        *,
        cause: str,
        mails: tuple[QueuedMail, ...] = (),
    ) -> None:
        event = self._event(kind, shown.account.id, client, cause=cause, mails=mails)
        if not await self.store.change_account(shown.account.id, change, event, now=self._now()):
            await self._refuse(client, shown.account.id, "link was used or overtaken")

    async def _proved(self, attempt: LoginAttempt, account: Account) -> None:
        """Who reads the mailbox has the account: its rate limits are emptied, those of its login too."""
        for owner in (attempt.owner, self.accounts.owner(account.canonical_name)):
            await self.accounts.attempts.lift(owner, subject=account.id, cause="lifted by mail")

    def _mailing(self, canonical_email: str, client: ClientInfo) -> AccountBuckets:
        return self.accounts.buckets("mail", f"{MAILBOX}{canonical_email}", client, rate=MAILS_PER_ADDRESS)

    def _proving(self, read: MailLink | CodeProof, client: ClientInfo) -> AccountBuckets:
        """The buckets of an attempt: of the address that a code came with, or of the account that a link is for."""
        name = (
            f"{LINKS}{read.account_id}" if isinstance(read, MailLink) else f"{MAILBOX}{canonical_email_of(read.email)}"
        )
        return self.accounts.buckets("mail code", name, client)

    def _event(
        self,
        kind: EventKind,
        subject: str,
        client: ClientInfo,
        *,
        cause: str,
        mails: Iterable[QueuedMail] = (),
    ) -> Event:
        return Event(
            kind=kind,
            at_ms=self.clock(),
            subject=subject,
            address=client.address,
            cause=cause,
            mails=tuple(mails),
        )

    def _now(self) -> int:
        return self.clock() // 1000


def _reached(found: list[Account]) -> list[Account]:
    """Those whom mail to an address is for: the one that has it verified, else all."""
    return found[:1] if found and found[0].email_verified else found


def _address_of(text: str) -> str | None:
    try:
        return check_email(text)[0]
    except InvalidField:
        return None
