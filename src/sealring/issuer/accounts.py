"""Accounts: register, prove a password, change it; and what an operator may do to one.

A client that fails to prove a password learns nothing else. Unknown name, wrong password, disabled account and
account without a password take the same steps, the same number of hashes and the same error (U1, U2, I11).
The audit log alone has the true cause. What is written is written by compare-and-swap on the hash that
was proved, so no race brings an old password back (U14, I7).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sealring.accounts.account import Account, AccountStatus
from sealring.accounts.changes import AccountChange, Deletion, EmailChange, PasswordChange, ScopesChange, StatusChange
from sealring.accounts.imported import ImportedUser, draft_imported
from sealring.accounts.names import canonical_name, check_email, lenient_name, looks_latin
from sealring.accounts.passwords import normalise_password
from sealring.accounts.policy import AccountPolicy, draft_account
from sealring.audit.event import Event, EventKind
from sealring.audit.queued_mail import QueuedMail
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.one_time import INVITATION, OneTime, digest_of
from sealring.errors import (
    InvalidField,
    InvitationRequired,
    NameTaken,
    NoSuchAccount,
    Overloaded,
    TokenTooLong,
    WrongPassword,
)
from sealring.issuer.commit import CommittingStore
from sealring.issuer.hashing import PasswordHasher
from sealring.issuer.login_attempts import LoginAttempts
from sealring.rate_limits.buckets import AccountBuckets, account_buckets
from sealring.rate_limits.device_cookie import DeviceCookies
from sealring.rate_limits.networks import network_of
from sealring.rate_limits.rate import RateLimit

__all__ = ["AccountPolicy", "Accounts"]

log = logging.getLogger(__name__)

ACCOUNT_ID_BYTES = 16
INVITATION_BYTES = 24
"""Not to be guessed, however long it is good for."""
INVITATION_NAME_CHARS = 12
"""Of its digest, by which the audit log names it: nobody registers with that."""
LOST_SWAPS = 3
"""Tries of a change that a rehash, or another change, may overtake; each loss is somebody's success."""
NO_NAME = ""
"""No account has it: looked up for names that no account can have, so that those take the same steps."""
MAILBOX = "\0mail to "
"""Begins the names of buckets of addresses: no username has a NUL, so a login by name empties none of them. Else an
attacker who registers the address of somebody else as a username could flood that mailbox."""
OPERATOR = ClientInfo("")
FirstMail = Callable[[Account, ClientInfo], Awaitable[tuple[QueuedMail, ...]]]
CheckScopes = Callable[[tuple[str, ...]], None]
"""Raises `TokenTooLong`."""


class Accounts:
    """All accounts of this issuer.

    Args:
        store: where they live.
        hasher: hashes their passwords.
        clock: Unix milliseconds.
        devices: names the buckets of their rate limits, and checks device cookies.
        policy: what is asked of them.
        check_scopes: refuses scopes with which an account could not log in.
    """

    def __init__(
        self,
        store: CommittingStore,
        hasher: PasswordHasher,
        *,
        clock: Callable[[], int],
        devices: DeviceCookies,
        policy: AccountPolicy,
        check_scopes: CheckScopes,
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock
        self._devices = devices
        self._policy = policy
        self._check_scopes = check_scopes
        self.attempts = LoginAttempts(
            store,
            hasher,
            clock=clock,
            account_rate=policy.account_rate,
            address_rate=policy.address_rate,
            registration_rate=policy.registration_rate,
            answer_grid_ms=policy.answer_grid_ms,
        )

    def open(self) -> None:
        """Be ready in the running event loop, after `close` or after a loop that has ended."""
        self._hasher.open()

    async def close(self) -> None:
        """Finish the hash that runs, drop those that wait."""
        await asyncio.to_thread(self._hasher.close)

    def refuse_when_full(self, client: ClientInfo) -> None:
        """Refuse before a password is even read, while the queue for hashing is full (I14). Every login calls it.

        It knows the network, and neither name nor password (I11).

        Raises:
            Overloaded: too many wait already.
        """
        self._hasher.queue.refuse_when_full(network_of(client.address))

    # by the user

    async def register(
        self,
        username: str,
        password: str,
        email: str | None,
        client: ClientInfo,
        *,
        invitation: str | None = None,
        before_written: Callable[[Account], Awaitable[None]] | None = None,
        first_mail: FirstMail | None = None,
    ) -> Account:
        """Make an account, where the policy lets this person; an invitation is used up with it, or not at all.

        The email address is what the user says it is: kept and shown to them, never reserved. Nobody has proved to
        read mail there, so it can neither keep its true owner from registering it nor be found out by trying: an
        address known to us and one unknown take the same steps to the same answer (U3). It becomes unique, and good
        for mail, when a later step proves it, or an operator vouches for it (`create`).

        What `before_written` raises leaves no account behind, and uses up no invitation. `first_mail` gives the mail
        that is to go out with it.

        Returns:
            The account; its hash is that of this password, so that a session can be started right away.

        Raises:
            InvalidField: `username`, `password` or `email` cannot be accepted.
            NameTaken: usernames are public.
            RegistrationClosed, InvitationRequired: not by this person.
            Throttled, Overloaded: try again later.
        """
        invitation = self._policy.check_registration(invitation)
        self._policy.check_email_given(email)
        account = self._draft(username, email, self._policy.new_account_scopes)
        form = self._policy.check_password(password, account)
        async with self.attempts.registration(client) as slot:
            account = replace(account, password_hash=await slot.hash(form))
        if before_written is not None:  # the application may take seconds: the place for hashing is free by now
            await before_written(account)
        cause = "registered" if invitation is None else "registered with an invitation"
        digest = None if invitation is None else digest_of(INVITATION, invitation)
        mails: tuple[QueuedMail, ...] = ()
        if first_mail is not None and self._policy.verify_email != "off":
            mails = await first_mail(account, client)
        event = replace(self._event("account_created", account, client, cause=cause), mails=mails)
        if digest is not None:
            event = replace(event, detail={"invitation": digest[:INVITATION_NAME_CHARS]})
        try:
            await self._store.create_account(account, event, invitation=digest)
        except (NameTaken, InvitationRequired):
            await self.attempts.charge(client)
            raise
        return account

    async def change_password(
        self, account_id: str, current: str, new: str, *, keep_session: str | None, client: ClientInfo
    ) -> None:
        """Replace a password by proving the old one; all sessions end but `keep_session` (I7).

        Counted in buckets of its own: who holds a stolen session may not guess at length, and no stranger's failed
        logins keep the user from changing it. A thief's failures do not keep the user from it either: a known device
        and a network have buckets of their own here too, and a login or a change that succeeds empties all (N6).

        Raises:
            InvalidField: `new` cannot be accepted.
            WrongPassword: `current` is wrong, or the account is gone or disabled.
            Throttled, Overloaded: try again later.
        """
        account = await self._store.find_account(id=account_id)
        try:
            new_form = self._policy.check_password(new, account)
        except InvalidField as refused:
            raise InvalidField("new", refused.reason) from None
        form = normalise_password(current)
        buckets = self.buckets("password change", NO_NAME if account is None else account.canonical_name, client)
        async with self.attempts.attempt(buckets, client) as attempt:
            for _ in range(LOST_SWAPS):
                account = await self._store.find_account(id=account_id)
                proved = await attempt.hashing_slot.verify(None if account is None else account.password_hash, form)
                if account is None or not proved or account.status != "active":
                    break
                change = PasswordChange(
                    old_hash=account.password_hash,
                    new_hash=await attempt.hashing_slot.hash(new_form),
                    keep_session=keep_session,
                )
                event = self._event("password_changed", account, client, cause="changed by user")
                if await self._change(account_id, change, event):
                    await self.attempts.lift(buckets.owner, subject=account_id, cause="lifted by password change")
                    return
            await self.attempts.fail(client, subject=account_id, cause="wrong current password")
            raise WrongPassword

    async def delete_own(self, account_id: str, client: ClientInfo) -> None:
        """Remove the account by its user's word, and end its sessions; its id is never used again (J17).

        Raises:
            NoSuchAccount: the subject is no account of ours.
        """
        account = await self._find_by_id(account_id)
        event = self._event("account_deleted", account, client, cause="deleted by user")
        if not await self._change(account_id, Deletion(), event):
            raise NoSuchAccount("no account has this id")

    # by the operator

    async def create(
        self, username: str, password: str | None, *, email: str | None = None, scopes: tuple[str, ...] = ()
    ) -> Account:
        """Make an account by the operator's word, who vouches for the email address: it is reserved.

        Raises:
            InvalidField: a field cannot be accepted, or `email` is another account's.
            NameTaken: the name is.
            TokenTooLong: so many scopes that no cookie could carry the access token.
        """
        self._check_scopes(scopes)
        account = self._draft(username, email, scopes)
        if password is not None:
            form = self._policy.check_password(password, account)
            account = replace(account, password_hash=await self._hash(form))
        if account.email is not None:
            account = replace(account, email_verified_at=account.created_at)
        event = self._event("account_created", account, OPERATOR, cause="created by operator")
        await self._store.create_account(account, event)
        return account

    async def import_account(self, user: ImportedUser) -> Account:
        """Make the account of a user of another system, who logs in with the password that they had.

        Raises:
            InvalidField: a member cannot be accepted; the id was a subject before; a verified address is another's.
            NameTaken: the name is.
        """
        self.check_imported(user)
        fresh_id = secrets.token_urlsafe(ACCOUNT_ID_BYTES)
        account = draft_imported(user, fresh_id=fresh_id, now=self._clock() // 1000)
        event = self._event("account_created", account, OPERATOR, cause="imported by operator")
        try:
            await self._store.create_account(account, event)
        except ValueError:
            raise InvalidField("id", "is, or was, that of another account, and is never used again") from None
        if account.status == "disabled":  # the id may be a subject that has sessions
            await self.disable(account.id)
        return account

    def check_imported(self, user: ImportedUser) -> None:
        """Check that the user could log in with these scopes, which need no store to be looked at.

        Raises:
            InvalidField: no cookie could carry the access token.
        """
        try:
            self._check_scopes(user.scopes)
        except TokenTooLong as error:
            raise InvalidField("scopes", f"are too many: {error}") from None

    async def invite(self, *, seconds: int) -> str:
        """Let one person register, once and within so many seconds; the store keeps a digest of what is returned.

        Raises:
            RegistrationClosed: it would let nobody in.
        """
        self._policy.check_inviting()
        text = secrets.token_urlsafe(INVITATION_BYTES)
        now_ms = self._clock()
        digest, expires_at = digest_of(INVITATION, text), now_ms // 1000 + seconds
        detail = {"invitation": digest[:INVITATION_NAME_CHARS], "expires_at": expires_at}
        await self._store.create_invitation(
            OneTime(digest=digest, purpose=INVITATION, subject="", expires_at=expires_at),
            Event(kind="invitation_created", at_ms=now_ms, detail=detail),
        )
        return text

    async def get(self, account_id: str) -> Account:
        """The account of that id.

        Raises:
            NoSuchAccount: there is none.
        """
        return await self._find_by_id(account_id)

    async def find(self, username: str) -> Account:
        """The account of that name.

        Raises:
            NoSuchAccount: there is none.
        """
        name = lenient_name(username)
        account = None if name is None else await self._store.find_account(canonical_name=name)
        if account is None:
            raise NoSuchAccount("no account has this name")
        return account

    async def list(self, *, after: str = "", limit: int = 1000) -> list[Account]:
        """Accounts by canonical name, those after that one."""
        return await self._store.list_accounts(after=canonical_name(after), limit=limit)

    async def set_password(self, account_id: str, new: str) -> None:
        """Replace a password without proof; all sessions end, and the account's rate limits are reset.

        Raises:
            InvalidField: `new` cannot be accepted.
            NoSuchAccount: there is none.
        """
        account = await self._find_by_id(account_id)
        new_hash = await self._hash(self._policy.check_password(new, account))
        for _ in range(LOST_SWAPS):
            change = PasswordChange(old_hash=account.password_hash, new_hash=new_hash)
            event = self._event("password_changed", account, OPERATOR, cause="set by operator")
            if await self._change(account_id, change, event):
                await self._lift(account)
                return
            account = await self._find_by_id(account_id)
        raise RuntimeError("the account changes faster than it can be changed")

    async def set_scopes(self, account_id: str, scopes: tuple[str, ...]) -> None:
        """Give other scopes: sessions go on, and get them at their next refresh.

        Raises:
            NoSuchAccount: there is none.
            TokenTooLong: so many that no cookie could carry the access token; nothing was changed.
        """
        self._check_scopes(scopes)
        await self._change_by_operator(account_id, ScopesChange(scopes=scopes), "scopes_changed")

    async def set_email(self, account_id: str, email: str | None) -> None:
        """Replace the email address by the operator's word, who vouches for it: it is reserved. None removes it.

        Raises:
            InvalidField: `email` cannot be accepted, or is another account's.
            NoSuchAccount: there is none.
        """
        shown, canonical = (None, None) if email is None else check_email(email)
        verified_at = None if shown is None else self._clock() // 1000
        change = EmailChange(email=shown, canonical_email=canonical, verified_at=verified_at)
        await self._change_by_operator(account_id, change, "email_changed")

    async def verify_email(self, account_id: str) -> None:
        """Take the address that the account has as verified, by the operator's word: it is reserved.

        Raises:
            InvalidField: it has no address, or another account has it verified.
            NoSuchAccount: there is none.
        """
        account = await self._find_by_id(account_id)
        if account.email is None:
            raise InvalidField("email", "the account has none")
        change = EmailChange(
            email=account.email,
            canonical_email=account.canonical_email,
            verified_at=self._clock() // 1000,
            changed_at=account.email_changed_at,
            epoch=account.epoch,
            revokes="nothing",
        )
        event = Event(kind="email_verified", at_ms=self._clock(), subject=account_id, cause="by operator")
        if not await self._change(account_id, change, event):
            raise Overloaded("the account changes faster than it can be changed")

    async def disable(self, account_id: str) -> None:
        """End all sessions and start no more.

        Raises:
            NoSuchAccount: there is none.
        """
        await self._set_status(account_id, "disabled", "account_disabled")

    async def enable(self, account_id: str) -> None:
        """Let a disabled account log in again, and reset its rate limits; no ended session comes back.

        Raises:
            NoSuchAccount: there is none.
        """
        await self._set_status(account_id, "active", "account_enabled")
        await self._lift(await self._find_by_id(account_id))

    async def delete(self, account_id: str) -> None:
        """Remove the account and end its sessions; its id is never used again (J17).

        Raises:
            NoSuchAccount: there is none.
        """
        await self._change_by_operator(account_id, Deletion(), "account_deleted")

    # steps

    def owner(self, name: str) -> str:
        """Whose buckets success at that account empties."""
        return self._devices.owner(name)

    def buckets(self, purpose: str, name: str, client: ClientInfo, *, rate: RateLimit | None = None) -> AccountBuckets:
        """The buckets that an attempt at that account counts in; `rate` where it is not the policy's."""
        return account_buckets(
            self._devices.owner(name),
            self._policy.account_rate if rate is None else rate,
            purpose=purpose,
            device=self._devices.bucket(client.device_cookie, name),
            network=network_of(client.address),
        )

    def _draft(self, username: str, email: str | None, scopes: tuple[str, ...]) -> Account:
        account = draft_account(
            username,
            email,
            account_id=secrets.token_urlsafe(ACCOUNT_ID_BYTES),
            scopes=scopes,
            now=self._clock() // 1000,
        )
        if looks_latin(account.canonical_name):  # U5: allowed, since it may be a true name
            log.warning("account %s has a name that looks Latin but uses other letters", account.id)
        return account

    async def _hash(self, form: str) -> str:
        async with self._hasher.slot() as slot:
            return await slot.hash(form)

    async def _find_by_id(self, account_id: str) -> Account:
        account = await self._store.find_account(id=account_id)
        if account is None:
            raise NoSuchAccount("no account has this id")
        return account

    async def _lift(self, account: Account) -> None:
        await self.attempts.lift(self._devices.owner(account.canonical_name), subject=account.id)

    async def _set_status(self, account_id: str, status: AccountStatus, kind: EventKind) -> None:
        await self._change_by_operator(account_id, StatusChange(status=status), kind)

    async def _change_by_operator(self, account_id: str, change: AccountChange, kind: EventKind) -> None:
        event = Event(kind=kind, at_ms=self._clock(), subject=account_id, cause="by operator")
        if not await self._change(account_id, change, event):
            raise NoSuchAccount("no account has this id")

    async def _change(self, account_id: str, change: AccountChange, event: Event) -> bool:
        return await self._store.change_account(account_id, change, event, now=self._clock() // 1000)

    def _event(self, kind: EventKind, account: Account, client: ClientInfo, *, cause: str) -> Event:
        return Event(kind=kind, at_ms=self._clock(), subject=account.id, address=client.address, cause=cause)


def canonical_email_of(typed: str) -> str:
    """The form by which an address is found; empty, which no account has, for what cannot be one."""
    try:
        return check_email(typed)[1]
    except InvalidField:
        return ""
