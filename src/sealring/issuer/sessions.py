"""Sessions, carried out: start, refresh, end. The rules are `sealring.sessions`'; here is the I/O.

Refreshing is *decide purely, then swap*: read the row, ask `decide_refresh`, write what it says by
compare-and-swap, and where the swap is lost to a concurrent request, look again. The MAC of a
refresh token is checked before the store is asked anything (R9).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, assert_never

from sealring.accounts.account import Account
from sealring.audit.event import Event, EventKind
from sealring.authentication.client_info import ClientInfo
from sealring.errors import (
    AccountInactive,
    NotGranted,
    RefreshReused,
    RefreshSuperseded,
    SessionEnded,
    StoreUnavailable,
    WrongCredentials,
)
from sealring.issuer.access_tokens import AccessTokenDraft
from sealring.issuer.commit import CommittingStore
from sealring.issuer.grants import Grants
from sealring.issuer.session_tokens import Issued, SessionTokens, check_length
from sealring.issuer.store_clock import check_clock
from sealring.sessions.access_token import check_claims
from sealring.sessions.device import describe_device
from sealring.sessions.grant import Grant, check_acr, check_amr, check_subject, scope_tokens
from sealring.sessions.lifetimes import over_cause
from sealring.sessions.refresh import Ended, LimitReached, Mint, Repeat, Reused, Superseded, decide_refresh, token_of
from sealring.sessions.revocation import EndSession, EndSubject, RefreshClaims, Revocation
from sealring.sessions.session import EndCause, Session
from sealring.store.records import LoginGuard, SessionRecord
from sealring.store.revocation_log import draft_entry, retained_until

SESSION_ID_BYTES = 16
SWAP_ATTEMPTS = 64
"""Lost swaps before giving up. Each loss is another request's success, and after one success the
others find it within the retry window and need no write, so only a bug or a flood comes near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicy:
    """Limits of a session, in seconds unless named otherwise."""

    idle_seconds: int
    max_seconds: int
    retry_window_ms: int
    """G of design D5."""
    leeway_seconds: int
    """How far our clock and the store's may differ."""
    cap: int = 50
    """Live sessions of one subject; the oldest ends when one more starts (D2)."""


@dataclass(frozen=True, slots=True)
class PreparedSession:
    """A session that can start: granted, and its token fits. Nothing is written yet."""

    session: Session
    draft: AccessTokenDraft
    asked_at: int | None
    """The subject's epoch before `grant_for` was asked, where no guard holds it."""


class Sessions:
    """All sessions of this issuer.

    Args:
        store: where they live.
        tokens: issues and reads what clients hold.
        policy: limits.
        clock: Unix milliseconds.
        grants: asked at each start and refresh; by default an account's own scopes, else those of the start.
    """

    def __init__(
        self,
        store: CommittingStore,
        *,
        tokens: SessionTokens,
        policy: SessionPolicy,
        clock: Callable[[], int],
        grants: Grants | None = None,
    ) -> None:
        self._store = store
        self.tokens = tokens
        self._policy = policy
        self._clock = clock
        self._grants = Grants(None) if grants is None else grants

    async def start(
        self,
        subject: str,
        *,
        scopes: Iterable[str] | None = None,
        claims: Mapping[str, Any] | None = None,
        client_id: str,
        client: ClientInfo,
        guard: LoginGuard | None = None,
        account: Account | None = None,
        replaces: str | None = None,
        max_access_chars: int | None = None,
        amr: Iterable[str] = (),
        acr: str = "",
        auth_time: int | None = None,
    ) -> Issued:
        """Start a session for a subject who has just proved who they are.

        Args:
            subject: `sub`, an opaque string.
            scopes: what the session may do; left out, what `grant_for` or else the account says.
            claims: added to each access token; left out, what `grant_for` says when it is asked.
            client_id: the OAuth client, or the issuer's own name for its pages.
            client: where the request came from.
            guard: for accounts: what was verified, held against the row in the inserting transaction (U13).
            account: whose session it is, when it is an account of ours.
            replaces: sid that the same browser held before (C1).
            max_access_chars: what the delivery can carry of an access token (N12); any verifier's limit when left out.
            amr: how they proved it (RFC 8176 §2).
            acr: how strongly (OpenID Connect Core §2).
            auth_time: when, in Unix seconds; now when left out.

        Raises:
            WrongCredentials: the guard did not hold: the account was disabled, or its epoch has moved, since the proof.
            AccountInactive: without a guard: the subject is an account of ours that is disabled or was deleted.
            TypeError: a subject or a scope that is no text, one string for all scopes, claims that are no mapping or
                no JSON.
            ValueError: empty subject, a scope with a space, a claim that only the issuer may set.
            TokenTooLong: so many scopes or claims that the token would be too long; a ValueError, too.
            NotGranted: `grant_for` grants this subject nothing.
            GrantUnavailable: it did not answer.
        """
        prepared = await self.prepare(
            subject,
            scopes=scopes,
            claims=claims,
            client_id=client_id,
            client=client,
            proved=guard is not None,
            account=account,
            max_access_chars=max_access_chars,
            amr=amr,
            acr=acr,
            auth_time=auth_time,
        )
        return await self.start_prepared(prepared, guard=guard, replaces=replaces)

    async def start_prepared(
        self, prepared: PreparedSession, *, guard: LoginGuard | None = None, replaces: str | None = None
    ) -> Issued:
        """Write a session that was prepared, and sign its tokens.

        Raises:
            WrongCredentials, AccountInactive: see `start`.
        """
        session, now = prepared.session, prepared.session.created_at
        event = Event(
            kind="session_started",
            at_ms=session.minted_ms,
            subject=session.subject,
            session=session.id,
            address=session.address,
            detail={"device": session.device},
        )
        epoch = await self._store.start_session(session, event, guard=guard, cap=self._policy.cap, replaces=replaces)
        if epoch is None and guard is None:
            raise AccountInactive
        if epoch is None:
            raise WrongCredentials
        if prepared.asked_at is not None and epoch != prepared.asked_at:
            # the application has changed what it grants since it was asked
            return await self.reissue(session.id)
        return self.tokens.issued(session, token_of(session), session.scopes, prepared.draft.sign(epoch), now)

    async def prepare(
        self,
        subject: str,
        *,
        scopes: Iterable[str] | None = None,
        claims: Mapping[str, Any] | None = None,
        client_id: str,
        client: ClientInfo,
        proved: bool = False,
        account: Account | None = None,
        max_access_chars: int | None = None,
        amr: Iterable[str] = (),
        acr: str = "",
        auth_time: int | None = None,
    ) -> PreparedSession:
        """Decide all of a session and check that its token fits, before anything is written.

        The arguments are those of `start`. `proved` says that a guard will hold the epoch of before the question, so
        that it need not be read here.

        Raises:
            TypeError, ValueError, TokenTooLong, NotGranted, GrantUnavailable: see `start`.
        """
        check_subject(subject)
        given = None if scopes is None else scope_tokens(scopes)
        added = check_claims({} if claims is None else claims)
        await self.tokens.access.ttl.declare()
        now_ms = self._clock()
        now = now_ms // 1000
        session = Session(
            id=secrets.token_urlsafe(SESSION_ID_BYTES),
            subject=subject,
            client_id=client_id,
            scopes=given or (),
            claims=added,
            device=describe_device(client.user_agent),
            address=client.address,
            created_at=now,
            auth_time=now if auth_time is None else auth_time,
            amr=check_amr(amr),
            acr=check_acr(acr),
            last_seen_at=now,
            idle_seconds=self._policy.idle_seconds,
            expires_at=now + self._policy.max_seconds,
            minted_ms=now_ms,
            confirmed_ms=now_ms,
        )
        asked_at: int | None = None
        if given is None:
            if self._grants.by_application and not proved:
                asked_at = await self._store.read_epoch(subject)
            grant = await self._grants.ask(session, account)
            if grant is None:
                raise NotGranted
            session = replace(session, scopes=tuple(grant.scopes), claims=grant.claims if claims is None else added)
        # before anything is written: what cannot be signed, or is too long for a token, leaves no session behind
        draft = self.tokens.access.draft(session, scopes=session.scopes, claims=session.claims, now=now)
        check_length(draft.check_fits(), max_access_chars)
        return PreparedSession(session, draft, asked_at)

    async def refresh(self, text: str, *, client: ClientInfo, max_access_chars: int | None = None) -> Issued:
        """Trade a refresh token for the next one and a fresh access token (RFC 6749 §6, design D5).

        Raises:
            InvalidRefreshToken: not one of ours.
            SessionEnded: the session was ended or is past a limit.
            RefreshReused: the token was dead; the session has been ended for it.
            RefreshSuperseded: a request in flight lost its race; nothing happened.
            TokenTooLong: the delivery cannot carry what the subject may do now; nothing happened (N12).
            StoreUnavailable: try again; a retry is safe. Also where a limit has come by our clock, but ours and the
                store's disagree.
        """
        token = self.tokens.refresh.decode(text)
        await self.tokens.access.ttl.declare()  # before the session is read: see there
        for _ in range(SWAP_ATTEMPTS):
            record = await self._store.read_session(token.session_id)
            if record is None:
                self._over_here(token.session_id)
                raise SessionEnded("no such session any more")
            now_ms = self._clock()
            decision = decide_refresh(
                record.session, token, now_ms=now_ms, retry_window_ms=self._policy.retry_window_ms
            )
            match decision:
                case Ended() | LimitReached() | Reused():
                    await self._refuse(decision, record.session, client)
                case Superseded():
                    raise RefreshSuperseded("a newer refresh token is in use")
                case Repeat(child):
                    grant = await self._grant(record)
                    issued = self.tokens.issue(record.session, child, grant, record.epoch, now_ms // 1000)
                    check_length(len(issued.access_token.text), max_access_chars)
                    return issued
                case Mint(child, after):
                    grant = await self._grant(record)
                    # signed before anything is written: a token that nobody can carry moves no session
                    issued = self.tokens.issue(after, child, grant, record.epoch, now_ms // 1000)
                    check_length(len(issued.access_token.text), max_access_chars)
                    if await self._store.advance_session(record.session, after):
                        return issued
                case _:
                    assert_never(decision)
        raise StoreUnavailable("the session moves faster than it can be read")

    async def check_fits(self, session_id: str, *, max_access_chars: int | None = None) -> None:
        """Check that `reissue` will have a token to give, whatever the subject's epoch is by then.

        Raises:
            SessionEnded: it is over by now, or the application no longer grants it.
            TokenTooLong: the token would be too long, or the delivery cannot carry it (N12).
        """
        record, now = await self._live(session_id)
        grant = await self._grant(record)
        draft = self.tokens.access.draft(record.session, scopes=grant.scopes, claims=grant.claims, now=now)
        check_length(draft.check_fits(), max_access_chars)

    async def reissue(self, session_id: str) -> Issued:
        """The tokens that a session has now, after its row was renewed.

        A refresh token comes of it, so only a proof as good as a login may lead here: the bearer of a stolen access
        token must not trade it for one that lives for weeks.

        Raises:
            SessionEnded: it is over by now, or the application no longer grants it.
        """
        record, now = await self._live(session_id)
        return self.tokens.issue(record.session, token_of(record.session), await self._grant(record), record.epoch, now)

    async def end(self, session_id: str, *, cause: EndCause, subject: str | None = None, address: str = "") -> bool:
        """End one session everywhere; with `subject`, only if it is theirs.

        Returns:
            Whether there was a live session to end.
        """
        event = self._event("session_ended", subject=subject or "", session=session_id, address=address, cause=cause)
        ended = await self._revoke(EndSession(id=session_id, cause=cause, subject=subject), event) is not None
        if not ended and subject is None:
            self._over_here(session_id)
        return ended

    async def end_subject(
        self, subject: str, *, cause: EndCause = "subject_revoked", keep: str | None = None, address: str = ""
    ) -> int:
        """End every session of a subject, or all but `keep`: one entry for any number of them.

        Returns:
            How many ended by it; one that was past a limit, but had not been ended yet, counts too.
        """
        event = self._event("subject_revoked", subject=subject, session=keep or "", address=address, cause=cause)
        return await self._revoke(EndSubject(subject=subject, cause=cause, keep=keep), event) or 0

    async def refresh_claims(self, subject: str) -> None:
        """Make the subject's access tokens stale: clients refresh and get new claims; nobody is logged out."""
        await self._revoke(RefreshClaims(subject=subject), self._event("claims_refreshed", subject=subject))

    async def read(self, session_id: str) -> Session | None:
        """The session, if it is live."""
        record = await self._store.read_session(session_id)
        if record is None or over_cause(record.session, self._clock() // 1000) is not None:
            return None
        return record.session

    async def list(self, subject: str | None, *, limit: int = 1000) -> list[Session]:
        """Live sessions of the subject, or of everybody; the newest first, and no more than `limit`."""
        return await self._store.list_sessions(subject, now=self._clock() // 1000, limit=limit)

    async def _refuse(self, why: Ended | LimitReached | Reused, session: Session, client: ClientInfo) -> None:
        """Refuse, and end what is to end for it in one transaction with the event (I4, I5).

        Returns only when the row has moved meanwhile: then the decision was about another row.

        Raises:
            SessionEnded, RefreshReused: why.
            StoreUnavailable: a limit has come by our clock, which the store's contradicts (T1).
        """
        whose = {"subject": session.subject, "session": session.id, "address": client.address}
        match why:
            case Ended():
                self._over_here(session.id)
                raise SessionEnded("session was ended")
            case LimitReached(limit):
                await check_clock(self._store, self._clock, leeway_seconds=self._policy.leeway_seconds)
                event = self._event("session_ended", **whose, cause=limit)
                if await self._revoke(EndSession(id=session.id, cause=limit, unmoved=session), event) is not None:
                    raise SessionEnded(f"session is over: {limit}")
            case Reused():
                event = self._event("refresh_reused", **whose, cause="a dead refresh token with a good MAC was used")
                if await self._revoke(EndSession(id=session.id, cause="reuse", unmoved=session), event) is not None:
                    raise RefreshReused("a dead refresh token was used")

    async def _revoke(self, revocation: Revocation, event: Event) -> int | None:
        return await self._store.revoke(revocation, event, now=self._clock() // 1000)

    def _over_here(self, session_id: str) -> None:
        """Another node ended it, perhaps by a try whose answer was lost: what we call over, we must not accept (I2)."""
        now = self._clock() // 1000
        until = retained_until(self.tokens.access.ttl.longest, now=now, store_now=now)
        entry = draft_entry("session", session_id, expires_at=until)
        self._store.apply_here((entry,))

    async def _live(self, session_id: str) -> tuple[SessionRecord, int]:
        """The row of a live session, and the second at which it lived."""
        await self.tokens.access.ttl.declare()
        record = await self._store.read_session(session_id)
        now = self._clock() // 1000
        if record is None or over_cause(record.session, now) is not None:
            raise SessionEnded("the session is over")
        return record, now

    async def _grant(self, record: SessionRecord) -> Grant:
        grant = await self._grants.ask(record.session, record.account)
        if grant is None:
            await self.end(record.session.id, cause="ended_by_operator")
            raise SessionEnded("the application no longer grants this session")
        return grant

    def _event(
        self, kind: EventKind, *, subject: str = "", session: str = "", address: str = "", cause: str = ""
    ) -> Event:
        return Event(kind=kind, at_ms=self._clock(), subject=subject, session=session, address=address, cause=cause)
