"""Sessions that begin: all of one is decided, and its token is known to fit, before anything is written.

So what refuses a session leaves none behind: a grant that is missing, claims that no token can carry, an application
that does not answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sealring.accounts.account import Account
from sealring.audit.event import Event
from sealring.authentication.client_info import ClientInfo
from sealring.errors import AccountInactive, NotGranted, StoreUnavailable, WrongCredentials
from sealring.issuer.access_tokens import AccessTokenDraft
from sealring.issuer.commit import CommittingStore
from sealring.issuer.session_tokens import Issued, check_length
from sealring.issuer.sessions import Sessions
from sealring.issuer.status_list import DRAWS, draw_index
from sealring.sessions.access_token import check_claims
from sealring.sessions.device import describe_device
from sealring.sessions.grant import check_acr, check_amr, check_subject, scope_tokens
from sealring.sessions.refresh import token_of
from sealring.sessions.session import DeviceBindingMode, Session
from sealring.sessions.status_list import StatusListSettings
from sealring.store.records import LoginGuard, StatusIndexTaken

SESSION_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class PreparedSession:
    """A session that can start: granted, and its token fits. Nothing is written yet."""

    session: Session
    draft: AccessTokenDraft
    asked_at: int | None
    """The subject's epoch before `grant_for` was asked, where no guard holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSessions:
    """Starts the sessions of this issuer.

    Args:
        store: where they are written.
        sessions: what they are from then on; its limits, grants and tokens count.
        status_list: where each of them gets a place, if anywhere.
        device_binding: whether those of browsers are to be bound to their devices.
    """

    store: CommittingStore
    sessions: Sessions
    status_list: StatusListSettings | None = None
    device_binding: DeviceBindingMode = "off"

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
            StoreUnavailable: the status list is full.
        """
        for _ in range(DRAWS):
            drawn = self._with_index(prepared)
            try:
                return await self._write(drawn, guard, replaces)
            except StatusIndexTaken:
                continue
        raise StoreUnavailable("the status list is full: raise SEALRING_STATUS_LIST_SIZE")

    def _with_index(self, prepared: PreparedSession) -> PreparedSession:
        """Draw a place in the status list, where there is one."""
        if self.status_list is None:
            return prepared
        session = draw_index(prepared.session, self.status_list)
        return replace(prepared, session=session, draft=self._draft(session))

    def _draft(self, session: Session) -> AccessTokenDraft:
        return self.sessions.tokens.access.draft(
            session, scopes=self._scopes(session), claims=session.claims, now=session.created_at
        )

    async def _write(self, prepared: PreparedSession, guard: LoginGuard | None, replaces: str | None) -> Issued:
        session, now = prepared.session, prepared.session.created_at
        event = Event(
            kind="session_started",
            at_ms=session.minted_ms,
            subject=session.subject,
            session=session.id,
            address=session.address,
            detail={"device": session.device},
        )
        epoch = await self.store.start_session(
            session, event, guard=guard, cap=self.sessions.policy.cap, replaces=replaces
        )
        if epoch is None and guard is None:
            raise AccountInactive
        if epoch is None:
            raise WrongCredentials
        if prepared.asked_at is not None and epoch != prepared.asked_at:
            # the application has changed what it grants since it was asked
            return await self.sessions.reissue(session.id)
        scopes, token = self._scopes(session), prepared.draft.sign(epoch)
        return self.sessions.tokens.issued(session, token_of(session), scopes, token, now)

    def _scopes(self, session: Session) -> tuple[str, ...]:
        return self.sessions.grants.allowed(session, session.scopes)

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
        identity: str = "",
        provider_session: str = "",
    ) -> PreparedSession:
        """Decide all of a session and check that its token fits, before anything is written.

        The arguments are those of `start`. `proved` says that a guard will hold the epoch of before the question, so
        that it need not be read here. `identity` and `provider_session` say by which identity of a provider it begins.

        Raises:
            TypeError, ValueError, TokenTooLong, NotGranted, GrantUnavailable: see `start`.
        """
        check_subject(subject)
        given = None if scopes is None else scope_tokens(scopes)
        added = check_claims({} if claims is None else claims)
        await self.sessions.tokens.access.ttl.declare()
        now_ms = self.sessions.clock()
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
            idle_seconds=self.sessions.policy.idle_seconds,
            expires_at=now + self.sessions.policy.max_seconds,
            minted_ms=now_ms,
            confirmed_ms=now_ms,
            identity=identity,
            provider_session=provider_session,
            proof_key=client.proof_key,
            # only what cookies carry has a limit: a program, which gets its tokens in the body, has no key to bind to
            device_binding="off" if max_access_chars is None else self.device_binding,
        )
        asked_at: int | None = None
        if given is None:
            if self.sessions.grants.by_application and not proved:
                asked_at = await self.store.read_epoch(subject)
            grant = await self.sessions.grants.ask(session, account)
            if grant is None:
                raise NotGranted
            session = replace(session, scopes=tuple(grant.scopes), claims=grant.claims if claims is None else added)
        # before anything is written: what cannot be signed, or is too long for a token, leaves no session behind
        # before anything is written, with the longest index: which one it gets is drawn when it is written
        longest = None if self.status_list is None else self.status_list.size - 1
        draft = self._draft(replace(session, status_index=longest))
        check_length(draft.check_fits(), max_access_chars)
        return PreparedSession(session, draft, asked_at)
