"""What the rest asks of a store, in small protocols by use, not by table (design D11). `Store` is all of them.

Code that needs a store takes the narrowest protocol that serves it.

Every method is one atomic step: it happens whole or not at all, and what it returns has been
committed durably. No method lets a caller read, decide and write: counting, swapping and
single use happen in the statement itself. Revocations are numbered by a counter row that is
raised as the last statement of the transaction, so that number order is commit order (design D6).

A method that takes an `Event` returns `Committed`: its result, with every revocation and every audit line that it
wrote. Only `sealring.issuer.commit` calls these: nobody else can forget to put the revocations in force.

Any method may raise `StoreUnavailable`: the store could not be reached, read or written within
its time budget, and the outcome of a write is then unknown; a retry is always safe. `now` is
Unix seconds.

How long a revocation is kept is the store's to say, not the caller's (design D19): its settings may differ from those
of the process that signed the token. Every method that revokes keeps its entries for the longest life that is declared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sealring.accounts.account import Account
from sealring.accounts.changes import AccountChange
from sealring.accounts.credential import Credential
from sealring.accounts.oauth_client import ClientChange, OAuthClient
from sealring.audit.event import Event
from sealring.audit.queued_mail import QueuedMail
from sealring.authentication.one_time import OneTime
from sealring.rate_limits.bucket import Bucket
from sealring.revocation.feed import FeedPage
from sealring.sessions.access_ttl import DeclaredTtl
from sealring.sessions.declared_settings import DeclaredSettings
from sealring.sessions.revocation import Revocation
from sealring.sessions.session import Session
from sealring.signing_keys.key import KeyRing, SigningKey
from sealring.store.records import Committed, LoginGuard, SessionRecord

FINISHED_SESSION_SECONDS = 86_400
"""How long `purge` keeps the row of a session that has ended or is past a limit: for a day a late refresh still gets
the cause, and no clock that runs ahead makes a live session vanish."""


class AccountStore(Protocol):
    """Accounts. A change and what it revokes are one transaction (I7)."""

    async def create_account(
        self, account: Account, event: Event, *, invitation: str | None = None, credential: Credential | None = None
    ) -> Committed[None]:
        """Add an account, and take the invitation of that digest in the same transaction: both happen, or neither.

        Its id must not be that of an account, deleted ones included (J17): else `ValueError`. It may be a subject of
        the application's own, which becomes an account: its epoch and its sessions stay.

        Args:
            account: the new row.
            event: its audit line, of the kind `account_created`.
            invitation: the digest of an invitation to take, `digest_of` what was presented; None: none is needed.
            credential: the account's first, written with it: an account that has no password could not log in without.

        Raises:
            NameTaken: `canonical_name` is taken.
            InvitationRequired: the invitation is not there, or has expired when the account is created.
            InvalidField: the email address is verified, and another account has it verified (field `email`); or the id
                of `credential` is taken (`credential`).

        >>> done = await store.create_account(an_account("ada"), an_event("account_created"))
        >>> done.events[0].number, done.events[0].kind
        (1, 'account_created')
        >>> await store.create_account(an_account("ada"), an_event("account_created"))
        Traceback (most recent call last):
        sealring.errors.NameTaken: this username is taken
        """

    async def create_invitation(self, invitation: OneTime, event: Event) -> Committed[None]:
        """Keep an invitation until it is used or expires, with its audit line; `create_account` takes it.

        Its digest must be new: else `ValueError`.

        Args:
            invitation: its digest, and until when it is good.
            event: its audit line.

        >>> done = await store.create_invitation(an_invitation("digest"), an_event("invitation_created"))
        >>> done = await store.create_account(an_account("ada"), an_event("account_created"), invitation="digest")
        >>> await store.create_account(an_account("bob"), an_event("account_created"), invitation="digest")
        Traceback (most recent call last):
        sealring.errors.InvitationRequired: registration needs a valid invitation
        """

    async def find_account(self, *, canonical_name: str | None = None, id: str | None = None) -> Account | None:
        """The account of that name or that id (exactly one is given); None when there is none.

        Args:
            canonical_name: a username after NFKC and casefold.
            id: the subject of its tokens.

        >>> ada = an_account("ada")
        >>> done = await store.create_account(ada, an_event("account_created"))
        >>> await store.find_account(canonical_name="ada") == await store.find_account(id=ada.id) == ada
        True
        >>> await store.find_account(id="nobody") is None
        True
        """

    async def list_accounts(self, *, after: str = "", limit: int = 1000) -> list[Account]:
        """Accounts by canonical name, in the order of code points: at most `limit` of those after the name `after`.

        Args:
            after: a canonical name; empty: from the first.
            limit: how many at most.

        >>> for name in ("cy", "ada", "bob"):
        ...     done = await store.create_account(an_account(name), an_event("account_created"))
        >>> [account.canonical_name for account in await store.list_accounts(after="ada", limit=1)]
        ['bob']
        """

    async def find_accounts_by_email(self, canonical_email: str, *, limit: int) -> list[Account]:
        """Accounts that have this address: the one that has it verified first, then the oldest.

        Args:
            canonical_email: an address after NFKC and casefold.
            limit: how many at most.

        >>> for name in ("ada", "bob"):
        ...     account = an_account(name, email="a@x.example", canonical_email="a@x.example")
        ...     done = await store.create_account(account, an_event("account_created"))
        >>> sorted(account.name for account in await store.find_accounts_by_email("a@x.example", limit=3))
        ['ada', 'bob']
        """

    async def change_account(self, id: str, change: AccountChange, event: Event, *, now: int) -> Committed[bool]:
        """Change an account and revoke what that makes invalid, in one transaction (I7).

        Disable, delete and a password change raise the epoch and end the account's sessions (but `keep_session`);
        other scopes, and a credential more or less, raise the epoch only; enable and a rehash revoke nothing. A
        session that is kept gets the row that
        `sealring.sessions.refresh.renew` makes of it, so that no refresh token of before the change is good in
        anybody's hands.

        Args:
            id: the account's.
            change: one of the values of `sealring.accounts.changes`.
            event: its audit line.
            now: Unix seconds.

        Returns:
            Whether it was changed: there is such an account, and `old_hash` still is its hash, `epoch` its epoch.

        >>> from sealring.accounts.changes import ScopesChange
        >>> ada = an_account("ada")
        >>> done = await store.create_account(ada, an_event("account_created"))
        >>> change = ScopesChange(scopes=("orders:read",))
        >>> done = await store.change_account(ada.id, change, an_event("scopes_changed"), now=NOW)
        >>> done.result, [(entry.kind, entry.epoch) for entry in done.entries]
        (True, [('subject', 1)])
        """


class ClientStore(Protocol):
    """Registered OAuth clients. A change and what it revokes are one transaction, as with accounts (I7)."""

    async def create_client(self, client: OAuthClient, event: Event) -> Committed[None]:
        """Add a client and its subject.

        Its id must not be that of any subject, removed clients and deleted accounts included: else `ValueError`.

        Args:
            client: the new row.
            event: its audit line, `client_registered`.

        >>> report = a_client()
        >>> done = await store.create_client(report, an_event("client_registered"))
        >>> (await store.find_client(report.id)).name
        'report'
        """

    async def find_client(self, id: str) -> OAuthClient | None:
        """The client of that id with its epoch, in one consistent read; None when there is none.

        Args:
            id: the `client_id`, which is the subject of its tokens too.

        >>> await store.find_client("nobody") is None
        True
        """

    async def list_clients(self, *, after: str = "", limit: int = 1000) -> list[OAuthClient]:
        """Clients in the order of their ids: at most `limit` of those after the id `after`.

        Args:
            after: an id; empty: from the first.
            limit: how many at most.

        >>> for number in range(3):
        ...     done = await store.create_client(a_client(id=f"client_{number}"), an_event("client_registered"))
        >>> [one.id for one in await store.list_clients(after="client_0")]
        ['client_1', 'client_2']
        """

    async def change_client(self, id: str, change: ClientChange, event: Event, *, now: int) -> Committed[bool]:
        """Change or remove a client, raise its epoch and write the entry that says so, in one transaction.

        Args:
            id: the client's.
            change: one of the values of `sealring.accounts.oauth_client`.
            event: its audit line.
            now: Unix seconds.

        Returns:
            Whether it was changed: there is such a client.

        >>> from sealring.accounts.oauth_client import ClientRemoval
        >>> report = a_client()
        >>> done = await store.create_client(report, an_event("client_registered"))
        >>> removed = await store.change_client(report.id, ClientRemoval(), an_event("client_removed"), now=NOW)
        >>> removed.result, [(entry.kind, entry.epoch) for entry in removed.entries]
        (True, [('subject', 1)])
        """


class CredentialStore(Protocol):
    """Credentials, moved by compare-and-swap, and what counts once, taken by one caller only."""

    async def find_credentials(self, *, account_id: str | None = None, id: str | None = None) -> list[Credential]:
        """The credentials of that account, or the one of that id (exactly one is given), the oldest first.

        They are made and removed by `change_account`, as that concerns the account's logins.

        Args:
            account_id: of which account.
            id: the credential's.

        >>> from sealring.accounts.changes import CredentialAdded
        >>> ada = an_account("ada")
        >>> done = await store.create_account(ada, an_event("account_created"))
        >>> added = CredentialAdded(credential=a_credential(ada.id, "key-1"), epoch=0)
        >>> done = await store.change_account(ada.id, added, an_event("credential_added"), now=NOW)
        >>> [one.id for one in await store.find_credentials(account_id=ada.id)]
        ['key-1']
        """

    async def find_credential_owner(self, id: str) -> tuple[Account, Credential] | None:
        """The credential of that id with its account, in one consistent read; None where there is none.

        Args:
            id: the credential's.

        >>> from sealring.accounts.changes import CredentialAdded
        >>> ada = an_account("ada")
        >>> done = await store.create_account(ada, an_event("account_created"))
        >>> added = CredentialAdded(credential=a_credential(ada.id, "key-1"), epoch=0)
        >>> done = await store.change_account(ada.id, added, an_event("credential_added"), now=NOW)
        >>> account, credential = await store.find_credential_owner("key-1")
        >>> account.id == ada.id, account.epoch, credential.id
        (True, 1, 'key-1')
        """

    async def advance_credential(self, before: Credential, after: Credential) -> bool:
        """Compare-and-swap: put counter, label and time of the last use of `after` if they still are those of `before`.

        Args:
            before: as it was read.
            after: the same credential, used.

        Returns:
            Whether it was swapped: of two that present one code, one wins.

        >>> from dataclasses import replace
        >>> from sealring.accounts.changes import CredentialAdded
        >>> ada = an_account("ada")
        >>> done = await store.create_account(ada, an_event("account_created"))
        >>> before = a_credential(ada.id)
        >>> added = CredentialAdded(credential=before, epoch=0)
        >>> done = await store.change_account(ada.id, added, an_event("credential_added"), now=NOW)
        >>> after = replace(before, counter=7, last_used_at=NOW)
        >>> await store.advance_credential(before, after), await store.advance_credential(before, after)
        (True, False)
        """

    async def put_once(self, one_time: OneTime) -> bool:
        """Keep something until it is taken or expires.

        Args:
            one_time: what to keep; it is worth nothing from its `expires_at` on, Unix seconds.

        Returns:
            Whether it is new. False when its digest is there already: of many that put one digest, one wins.

        >>> await store.put_once(a_link("link")), await store.put_once(a_link("link"))
        (True, False)
        """

    async def take_once(self, digest: str, *, purpose: str, now: int) -> OneTime | None:
        """Take it by one atomic statement: of many that take one digest, one gets it.

        Args:
            digest: `digest_of` what was presented.
            purpose: what it must be good for.
            now: Unix seconds.

        Returns:
            None when it is not there, is for another purpose, or has expired.

        >>> link = a_link("link")
        >>> new = await store.put_once(link)
        >>> await store.take_once(link.digest, purpose="reset", now=NOW) == link
        True
        >>> await store.take_once(link.digest, purpose="reset", now=NOW) is None
        True
        """


class MailStore(Protocol):
    """Mails to be sent. Each was written by the transaction of the event that it belongs to (`Event.mails`)."""

    async def claim_mails(self, *, now: int, limit: int) -> list[QueuedMail]:
        """Take mails that are due, by one atomic statement: of two nodes that ask at once, one gets a mail.

        Each stays in the outbox, and is due again after `retry_seconds` of its tries: a node that is killed before it
        has sent one loses none.

        Args:
            now: Unix seconds.
            limit: how many at most.

        >>> done = await store.settle_attempt("", an_event("login", mails=(a_mail("m-1"),)))
        >>> [mail.id for mail in await store.claim_mails(now=NOW, limit=10)]
        ['m-1']
        >>> await store.claim_mails(now=NOW, limit=10)
        []
        """

    async def finish_mail(self, id: str) -> bool:
        """Forget a mail that was sent, or is of no use; whether it was there.

        Args:
            id: the mail's.

        >>> done = await store.settle_attempt("", an_event("login", mails=(a_mail("m-1"),)))
        >>> await store.finish_mail("m-1"), await store.finish_mail("m-1")
        (True, False)
        """


class SessionStore(Protocol):
    """Sessions. A session moves by compare-and-swap, and ends in one transaction with its revocation (I4)."""

    async def start_session(
        self,
        session: Session,
        event: Event,
        *,
        guard: LoginGuard | None,
        cap: int,
        replaces: str | None,
    ) -> Committed[int | None]:
        """Insert a session; end the one that it replaces and the subject's oldest live ones beyond `cap`.

        Each session that is ended gets a line `session_ended` in the audit log, before `event`.

        Args:
            session: the new row.
            event: the audit line.
            guard: for an account of ours; checked in the same transaction, so that a password change or a
                disable that commits first is seen, and one that commits later ends this session too (U13). It does not
                hold where there is no such account, it is disabled, or its epoch has moved, or what its `use` spends
                is spent. Without a guard the subject
                may be anybody but an account of ours that is disabled or was deleted: checked there too.
            cap: the highest number of live sessions of one subject, this one included.
            replaces: sid that the same browser held before (C1); ended whichever subject it belongs to.

        Returns:
            The subject's epoch at that moment; None when the guard did not hold, or an inactive account has none.

        Raises:
            StatusIndexTaken: another row, live or ended, has this `status_index`; nothing was written.

        >>> event = an_event("session_started")
        >>> for number in range(3):
        ...     done = await store.start_session(a_session("42"), event, guard=None, cap=2, replaces=None)
        >>> done.result, [event.kind for event in done.events], [entry.kind for entry in done.entries]
        (0, ['session_ended', 'session_started'], ['session'])
        """

    async def read_session(self, id: str) -> SessionRecord | None:
        """The session of that id, its subject's epoch and account, in one consistent read; None for an unknown id.

        Args:
            id: the session's, `sid`.

        >>> session = a_session("42")
        >>> done = await store.start_session(session, an_event("session_started"), guard=None, cap=50, replaces=None)
        >>> record = await store.read_session(session.id)
        >>> record.session == session, record.epoch, record.account
        (True, 0, None)
        """

    async def confirm_session(self, id: str) -> SessionRecord | None:
        """As `read_session`, but only once the store has acknowledged a write that came after the read (F8).

        For an answer that is given without a write of its own: that a session is not there, or was refreshed a moment
        ago. A server that its standbys have left behind reads what was, not what its successor has made of it. A
        store that is one file on one machine, or memory, does as stands here.

        Args:
            id: the session's, `sid`.

        Returns:
            As `read_session`: None for an unknown id.

        Raises:
            StoreUnavailable: also where the write was not acknowledged in time.

        >>> session = a_session("42")
        >>> done = await store.start_session(session, an_event("session_started"), guard=None, cap=50, replaces=None)
        >>> await store.confirm_session(session.id) == await store.read_session(session.id)
        True
        """
        return await self.read_session(id)

    async def ended_status_indexes(self) -> list[int]:
        """The `status_index` of each session that was ended and whose row is still there; in any order.

        >>> from sealring.sessions.revocation import EndSession
        >>> for index in (7, 8, None):
        ...     session = a_session("42", status_index=index)
        ...     done = await store.start_session(session, an_event(), guard=None, cap=50, replaces=None)
        ...     if index != 8:
        ...         done = await store.revoke(EndSession(id=session.id, cause="logout"), an_event(), now=NOW)
        >>> await store.ended_status_indexes()
        [7]
        """

    async def read_epoch(self, subject: str) -> int:
        """The subject's epoch; 0 for one whose epoch was never raised.

        Args:
            subject: an account's id, or a user of the application's own.

        >>> from sealring.sessions.revocation import RefreshClaims
        >>> done = await store.revoke(RefreshClaims(subject="42"), an_event("claims_refreshed", subject="42"), now=NOW)
        >>> await store.read_epoch("42"), await store.read_epoch("43")
        (1, 0)
        """

    async def advance_session(self, before: Session, after: Session) -> bool:
        """Compare-and-swap: put `after` in the row if it still is `before` (confirmed pair, last child, not ended).

        Only what a refresh moves is put: the token's pair, parent and child, `last_seen_at`, scopes, claims, device
        and address. No refresh changes whose session it is, its limits or its end.

        Args:
            before: the row as it was read.
            after: the row as the refresh leaves it.

        Returns:
            Whether it was swapped. Concurrent calls may share one commit.

        >>> before = a_session("42")
        >>> done = await store.start_session(before, an_event("session_started"), guard=None, cap=50, replaces=None)
        >>> await store.advance_session(before, moved(before)), await store.advance_session(before, moved(before))
        (True, False)
        """

    async def reauthenticate_session(
        self, session: Session, event: Event, *, guard: LoginGuard | None
    ) -> Committed[bool]:
        """Put `auth_time`, `amr` and `acr` of the session, whose user has proved again who they are; nothing else.

        Source: RFC 9470, attack U13: the guard is held against the row in the same transaction, as when a session
        starts. No refresh changes what is put here.

        Args:
            session: the session with what was proved.
            event: its audit line, `reauthenticated`.
            guard: see `start_session`.

        Returns:
            Whether it was put: the guard held, and the session has not ended and is the subject's.

        >>> from dataclasses import replace
        >>> session = a_session("42")
        >>> done = await store.start_session(session, an_event("session_started"), guard=None, cap=50, replaces=None)
        >>> again = replace(session, auth_time=NOW + 60, amr=("pwd",), acr="sfa")
        >>> (await store.reauthenticate_session(again, an_event("reauthenticated"), guard=None)).result
        True
        >>> (await store.read_session(session.id)).session.auth_time == NOW + 60
        True
        """

    async def bind_session(self, before: Session, after: Session, event: Event) -> Committed[bool]:
        """Put the device key of `after` in the row if the session lives and its binding still is that of `before`.

        Of two registrations at once one counts, and a session that has ended is not bound (R5).

        Args:
            before: the row as it was read.
            after: the same with `device_jwk` and `device_bound_at`.
            event: the audit line.

        Returns:
            Whether it was put. Nothing else of the row changes.

        >>> from dataclasses import replace
        >>> before = a_session("42", device_binding="prefer")
        >>> done = await store.start_session(before, an_event("session_started"), guard=None, cap=50, replaces=None)
        >>> after = replace(before, device_jwk="{}", device_bound_at=NOW)
        >>> (await store.bind_session(before, after, an_event("device_bound"))).result
        True
        >>> (await store.bind_session(before, after, an_event("device_bound"))).result
        False
        """

    async def list_sessions(
        self,
        subject: str | None,
        *,
        now: int,
        limit: int = 1000,
        identity: str | None = None,
        provider_session: str | None = None,
    ) -> list[Session]:
        """Live sessions (not ended, within both limits) of the subject, or of everybody; newest first.

        Args:
            subject: whose; None: everybody's.
            now: Unix seconds.
            limit: how many at most.
            identity: only those that began by the identity of this credential.
            provider_session: only those that began by the session at an identity provider of this digest.

        >>> for subject in ("42", "42", "43"):
        ...     done = await store.start_session(a_session(subject), an_event(), guard=None, cap=50, replaces=None)
        >>> len(await store.list_sessions("42", now=NOW)), len(await store.list_sessions(None, now=NOW))
        (2, 3)
        >>> session = a_session("42", identity="oidc_ada")
        >>> done = await store.start_session(session, an_event(), guard=None, cap=50, replaces=None)
        >>> await store.list_sessions(None, now=NOW, identity="oidc_ada") == [session]
        True
        """

    async def revoke(self, revocation: Revocation, event: Event, *, now: int) -> Committed[int | None]:
        """Carry out a revocation in one transaction.

        `EndToken` writes its entry whether a session is there or not: the caller has verified the token.
        `EndSession` of a session that has ended or is not the subject's, or whose row has moved, does nothing; one that
        is merely past a limit is ended, for its last access token may outlive it.
        `EndSubject` without `keep` and `RefreshClaims` give one entry for any number of
        sessions; with `keep` too (the kept session's access tokens become stale).

        Args:
            revocation: `EndSession`, `EndSubject` or `RefreshClaims` of `sealring.sessions.revocation`.
            event: its audit line.
            now: Unix seconds.

        Returns:
            How many sessions ended that no logout or operator had ended before; none when nothing was done.

        >>> from sealring.sessions.revocation import EndSession
        >>> session = a_session("42")
        >>> done = await store.start_session(session, an_event("session_started"), guard=None, cap=50, replaces=None)
        >>> end = EndSession(id=session.id, cause="logout")
        >>> (await store.revoke(end, an_event("session_ended"), now=NOW)).result
        1
        >>> (await store.revoke(end, an_event("session_ended"), now=NOW)).result is None
        True
        """


class RateLimitStore(Protocol):
    """Buckets of rate limits. Counting is one atomic step: no two callers take the last place (U9)."""

    async def count_attempt(self, buckets: Sequence[Bucket], *, now: int) -> int:
        """Count an attempt in every bucket if none is full, in one atomic step, before any costly work.

        Source: design D13, attack U9.

        Args:
            buckets: each with its rate limit; none twice.
            now: Unix seconds.

        Returns:
            0, or the seconds after which the fullest bucket opens again; then nothing was counted.

        >>> from sealring.rate_limits.bucket import Bucket
        >>> from sealring.rate_limits.rate import RateLimit
        >>> bucket = Bucket(key="password", rate=RateLimit(2, 60), owner="ada")
        >>> [await store.count_attempt([bucket], now=NOW) for attempt in range(3)]
        [0, 0, 30]
        """

    async def settle_attempt(self, owner: str, event: Event) -> Committed[None]:
        """Record how an attempt ended. All buckets of `owner` are emptied: success proves that it was theirs.

        An empty `owner` stands for a failure: it empties nothing.

        Args:
            owner: whose buckets are emptied, as `Bucket.owner`; empty for a failure.
            event: the audit line of the outcome.

        >>> from sealring.rate_limits.bucket import Bucket
        >>> from sealring.rate_limits.rate import RateLimit
        >>> bucket = Bucket(key="password", rate=RateLimit(1, 60), owner="ada")
        >>> first = await store.count_attempt([bucket], now=NOW)
        >>> done = await store.settle_attempt("ada", an_event("login"))
        >>> await store.count_attempt([bucket], now=NOW)
        0
        """


class AccessTtlStore(Protocol):
    """The longest life of access tokens in use, which says how long a revocation is kept (design D19)."""

    async def declare_access_ttl(self, seconds: int, *, now: int, signs_until: int) -> tuple[DeclaredTtl, ...]:
        """Say that this process signs access tokens of that life, up to `signs_until`; before it signs the first.

        Source: design D19, attack N1.

        The longest declared life is in force for every revocation that commits after this one. A life that is not
        renewed is dropped once its last token has expired, by the store's clock and by `now`: then, and not before, a
        shorter one is the longest. Commands that only revoke declare nothing.

        Args:
            seconds: the life of an access token.
            now: Unix seconds.
            signs_until: Unix seconds: from then on it signs none, unless it declares the life again.

        Returns:
            Every life that is in use, this one included, the longest first.

        >>> for seconds in (600, 1800):
        ...     declared = await store.declare_access_ttl(seconds, now=NOW, signs_until=NOW + 3600)
        >>> [ttl.seconds for ttl in declared]
        [1800, 600]
        """


class DeclaredSettingsStore(Protocol):
    """What the running processes of this store are set to, so that one with another issuer is found at its start."""

    async def declare_settings(self, mine: DeclaredSettings, *, lease_seconds: int) -> tuple[DeclaredSettings, ...]:
        """Say what this process is set to, for so long from now by the store's clock; or renew it.

        One atomic step: of two processes that contradict each other (`conflict_of`), the second to come writes nothing.

        Args:
            mine: the settings, with the name of this process.
            lease_seconds: how long they count.

        Returns:
            What other processes have declared whose time is not over, each once and without the name of the process.

        >>> from dataclasses import replace
        >>> from sealring.sessions.declared_settings import DeclaredSettings
        >>> mine = DeclaredSettings(process="a", issuer="https://a", audience="", algorithm="ES256", cookie_name="s")
        >>> await store.declare_settings(mine, lease_seconds=60)
        ()
        >>> [other.issuer for other in await store.declare_settings(replace(mine, process="b"), lease_seconds=60)]
        ['https://a']
        """

    async def list_settings(self) -> tuple[tuple[DeclaredSettings, int], ...]:
        """What every process has declared whose time is not over, and for how many seconds it counts.

        >>> from sealring.sessions.declared_settings import DeclaredSettings
        >>> mine = DeclaredSettings(process="a", issuer="https://a", audience="", algorithm="ES256", cookie_name="s")
        >>> others = await store.declare_settings(mine, lease_seconds=60)
        >>> [(one.process, seconds) for one, seconds in await store.list_settings()]
        [('a', 60)]
        """

    async def withdraw_settings(self, process: str) -> None:
        """Forget what that process has declared; nothing, where it has not.

        Args:
            process: the name under which they were declared.

        >>> from sealring.sessions.declared_settings import DeclaredSettings
        >>> mine = DeclaredSettings(process="a", issuer="https://a", audience="", algorithm="ES256", cookie_name="s")
        >>> others = await store.declare_settings(mine, lease_seconds=60)
        >>> await store.withdraw_settings("a")
        >>> await store.list_settings()
        ()
        """


class KeyStore(Protocol):
    """Signing keys. The ring is replaced as a whole, by compare-and-swap of its version."""

    async def read_keys(self) -> KeyRing:
        """All signing keys and the version of the ring.

        >>> ring = await store.read_keys()
        >>> ring.version, ring.keys
        (0, ())
        """

    async def write_keys(
        self,
        version: int,
        keys: Sequence[SigningKey],
        event: Event,
        *,
        revoked_kid: str | None = None,
        now: int,
    ) -> Committed[bool]:
        """Replace the ring if it still has `version` (K6: of two nodes that create the first key, one wins).

        `revoked_kid` adds a *key* entry to the feed in the same transaction.

        Args:
            version: of the ring as it was read.
            keys: the whole new ring.
            event: its audit line.
            revoked_kid: the name of a key that this revokes.
            now: Unix seconds.

        Returns:
            Whether it was replaced: the version had not moved.

        >>> published = an_event("key_published")
        >>> (await store.write_keys(0, [a_key("one")], published, now=NOW)).result
        True
        >>> (await store.write_keys(0, [a_key("two")], published, now=NOW)).result
        False
        >>> [key.kid for key in (await store.read_keys()).keys]
        ['one']
        """


class FeedStore(Protocol):
    """The revocation feed, as verifiers follow it. Nothing here writes a revocation."""

    async def time_ms(self) -> int:
        """The store's own clock, in Unix milliseconds.

        >>> import time
        >>> now_ms = time.time_ns() // 1_000_000
        >>> await store.time_ms() >= now_ms
        True
        """

    async def load_feed(self, after: int | None) -> FeedPage:
        """Entries after the cursor, or all live ones (`None`), with the head, in one consistent read.

        Args:
            after: the number of the last entry that the caller has; None: it has none.

        >>> from sealring.sessions.revocation import RefreshClaims
        >>> for subject in ("42", "43"):
        ...     done = await store.revoke(RefreshClaims(subject=subject), an_event("claims_refreshed"), now=NOW)
        >>> page = await store.load_feed(1)
        >>> page.head, page.complete, [(entry.number, entry.target) for entry in page.entries]
        (2, True, [(2, '43')])
        """

    async def heartbeat(self, *, every_ms: int) -> bool:  # noqa: ARG002 - for those who have something to write
        """Have the store acknowledge a write, unless it did within the last `every_ms` on its own clock (F8).

        A server that its standbys have left behind answers every read, but acknowledges nothing. A node that finds
        `FeedPage.acknowledged_ms` too old calls this and then reads another page. One such write a node is under
        way at most, and one an interval is made, however many nodes ask. A store that is one file on one machine, or
        memory, has nobody to be left behind by: it does as stands here.

        Args:
            every_ms: milliseconds by the store's own clock.

        Returns:
            Whether that was seen to, within a moment. No is no error: another node may do it, or a later page show it.

        >>> await store.heartbeat(every_ms=1000)
        False
        """
        return False

    async def wait_for_change(self) -> None:
        """Return when the feed may have grown: a hint to look, which may come for no reason, late or never (F12).

        >>> import asyncio
        >>> from sealring.sessions.revocation import RefreshClaims
        >>> async def follow():
        ...     revoked = store.revoke(RefreshClaims(subject="42"), an_event("claims_refreshed"), now=NOW)
        ...     await asyncio.gather(store.wait_for_change(), revoked)
        ...     return await store.load_feed(None)
        >>> (await follow()).head
        1
        """


class AuditStore(Protocol):
    """The audit log. Lines are written by the methods that they tell of, in the same transaction."""

    async def read_events(self, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """The audit log in the order of numbers: at most `limit` lines after that number.

        Args:
            after: the number of a line; 0: from the first.
            limit: how many at most.

        >>> for subject in ("42", "43"):
        ...     done = await store.settle_attempt("", an_event("login_failed", subject=subject))
        >>> [(event.number, event.subject) for event in await store.read_events(after=1)]
        [(2, '43')]
        """


class MaintenanceStore(Protocol):
    """Upkeep: what has expired, and a store that was restored from a backup."""

    async def purge(self, *, now: int, audit_seconds: int) -> None:
        """Forget what nothing can ask for: expired revocations, finished sessions, idle buckets, old audit lines.

        Small transactions, so that no refresh waits for it (P9).

        Args:
            now: Unix seconds.
            audit_seconds: how long a line of the audit log is kept.

        >>> line = await store.settle_attempt("", an_event("login_failed"))
        >>> await store.purge(now=NOW + 61, audit_seconds=60)
        >>> await store.read_events()
        []
        """

    async def reset_after_restore(self, event: Event, *, now: int) -> Committed[None]:
        """Make everything issued before now worthless, after a restore from a backup (P7); one transaction.

        What the lost time held is not in this store, so nothing of before may be trusted:

        - Every session of the backup ends, for any of them may have been ended since. One that began since has no row,
          so its refresh token finds none.
        - Every signing key is revoked, with an entry in the feed, and the next load of the ring makes a new one: that
          kills each access token of any session and any subject, also those that this store does not know,
          and a key that had been revoked since. A key that was made since is not in the ring and so unknown.
        - Everything of single use is forgotten, for any of it may have been used since.
        - Every epoch is raised, so that no number of the lost time is given again with another meaning as long as
          somebody could bring an old key back. Subjects without a row had epoch 0 then as now: for them the keys do it.
        - The incarnation is a new one: every node drops the view and the keys that it holds, and loads all.

        Accounts and passwords are as the backup has them: what was changed since, nobody here can know.

        Args:
            event: its audit line, `store_restored`.
            now: Unix seconds.

        >>> session = a_session("42")
        >>> done = await store.start_session(session, an_event("session_started"), guard=None, cap=50, replaces=None)
        >>> before = (await store.load_feed(None)).incarnation
        >>> done = await store.reset_after_restore(an_event("store_restored"), now=NOW)
        >>> (await store.read_session(session.id)).session.ended_by, (await store.load_feed(None)).incarnation == before
        ('store_restored', False)
        """


class Store(
    AccountStore,
    ClientStore,
    CredentialStore,
    MailStore,
    SessionStore,
    RateLimitStore,
    AccessTtlStore,
    DeclaredSettingsStore,
    KeyStore,
    FeedStore,
    AuditStore,
    MaintenanceStore,
    Protocol,
):
    """Where sessions, accounts, keys and revocations live.

    >>> import secrets
    >>> from sealring import Sealring
    >>> from sealring.store.memory import MemoryStore as MyStore
    >>> auth = Sealring(store=MyStore(), secret=secrets.token_urlsafe(32))
    >>> with auth.sync() as s:
    ...     auth.verify(s.start_session("42").access_token.text).subject
    '42'
    """

    behind_pooler: bool = False
    """Whether a connection pooler was found between this process and the store when it was opened."""

    async def open(self) -> None:
        """Connect and bring the schema to this version.

        Raises:
            ConfigurationError: the place cannot be used (missing folder, read-only, not a database,
                or a schema newer than this program).

        >>> from sealring.store.memory import MemoryStore as MyStore
        >>> store = MyStore()
        >>> await store.open()
        >>> await store.list_accounts()
        []
        >>> await store.close()
        """

    async def schema_version(self) -> int:
        """The number of the newest migration that was made there, 0 before the first.

        It needs no `open`, and writes nothing: this is how to look at a store that may not be there yet.

        Raises:
            ConfigurationError: as `open`.
            StoreUnavailable: it cannot be asked now.

        >>> from sealring.store.memory import MemoryStore as MyStore
        >>> await MyStore().schema_version() > 0
        True
        """

    async def close(self) -> None:
        """Let go of everything; what was acknowledged is safe without it.

        >>> from sealring.store.memory import MemoryStore as MyStore
        >>> store = MyStore()
        >>> await store.open()
        >>> await store.close()
        """
