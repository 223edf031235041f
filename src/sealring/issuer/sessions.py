"""Sessions that have begun, carried out: refresh, end, list. They begin in `new_sessions`.

The rules are `sealring.sessions`'; here is the I/O. Refreshing is *decide purely, then swap*: read the row, ask
`decide_refresh`, write what it says by compare-and-swap, and where the swap is lost to a concurrent request, look
again. What is answered without a write is confirmed by the store first: a read alone may come from a primary that was
left behind (F8). The MAC of a refresh token is checked before the store is asked anything (R9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hmac import compare_digest
from typing import assert_never

from sealring.audit.event import Event, EventKind
from sealring.authentication.client_info import ClientInfo
from sealring.errors import (
    DeviceProofRequired,
    InvalidProof,
    RefreshReused,
    RefreshSuperseded,
    SessionEnded,
    StoreUnavailable,
)
from sealring.issuer.access_tokens import AccessTokenDraft
from sealring.issuer.commit import CommittingStore
from sealring.issuer.grants import Grants
from sealring.issuer.session_tokens import Issued, SessionTokens, check_length
from sealring.issuer.store_clock import check_clock
from sealring.sessions.device_binding import may_bind, proved_at
from sealring.sessions.device_proof import DeviceProof, DeviceProofs, read_jwk
from sealring.sessions.grant import Grant, narrowed
from sealring.sessions.lifetimes import over_cause
from sealring.sessions.refresh import Ended, LimitReached, Mint, Repeat, Reused, Superseded, decide_refresh, token_of
from sealring.sessions.revocation import EndSession, EndSubject, RefreshClaims, Revocation
from sealring.sessions.session import EndCause, Session
from sealring.store.records import SessionRecord
from sealring.store.revocation_log import draft_entry, retained_until

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """All sessions of this issuer.

    Args:
        store: where they live.
        tokens: issues and reads what clients hold.
        policy: limits.
        clock: Unix milliseconds.
        devices: makes what browsers sign, and checks it.
        grants: asked at each start and refresh; by default an account's own scopes, else those of the start.
    """

    store: CommittingStore
    tokens: SessionTokens
    policy: SessionPolicy
    clock: Callable[[], int]
    devices: DeviceProofs
    grants: Grants = field(default_factory=lambda: Grants(None))

    async def refresh(
        self,
        text: str,
        *,
        client: ClientInfo,
        max_access_chars: int | None = None,
        scopes: Iterable[str] | None = None,
        proof: DeviceProof | None = None,
    ) -> Issued:
        """Trade a refresh token for the next one and a fresh access token (RFC 6749 §6, design D5).

        With `scopes`, the access token has these alone; the refresh token keeps what it had (§6). A session that is
        bound to a device needs `proof` of its key; without it nothing happens, whatever the token is (design D22).

        Raises:
            InvalidRefreshToken: not one of ours.
            SessionEnded: the session was ended or is past a limit.
            RefreshReused: the token was dead; the session has been ended for it.
            RefreshSuperseded: a request in flight lost its race; nothing happened.
            InvalidProof: the session has a key, and `client` has not proved that one; nothing happened.
            DeviceProofRequired, DeviceBindingRequired: bound to a device that was not proved, or not bound and has to
                be; nothing happened.
            TokenTooLong: the delivery cannot carry what the subject may do now; nothing happened (N12).
            ScopeRefused: `scopes` has one that the session has not; nothing happened.
            StoreUnavailable: try again; a retry is safe. Also where a limit has come by our clock, but ours and the
                store's disagree.
        """
        token = self.tokens.refresh.decode(text)
        for _ in range(SWAP_ATTEMPTS):
            await self.tokens.access.ttl.declare()  # before the session is read: see there
            record = await self._read(token.session_id)
            if record is None:
                self._over_here(token.session_id)
                raise SessionEnded("no such session any more")
            check_key(
                record.session, client.proof_key
            )  # before the rest: without its key, a token says nothing of theft
            now_ms = self.clock()
            if over_cause(record.session, now_ms // 1000) is None:
                # before the token is judged: a copy of an old one must not even end the session of a bound browser
                self.devices.check_refresh(record.session, proof, now=now_ms // 1000)
            decision = decide_refresh(record.session, token, now_ms=now_ms, retry_window_ms=self.policy.retry_window_ms)
            match decision:
                case Ended() | LimitReached() | Reused():
                    await self._refuse(decision, record.session, client)
                case Superseded():
                    raise RefreshSuperseded("a newer refresh token is in use")
                case Repeat(child):
                    if await self.store.confirm_session(token.session_id) != record:
                        continue
                    grant = _part_of(await self._grant(record), scopes)
                    issued = self.tokens.issue(record.session, child, grant, record.epoch, now_ms // 1000)
                    check_length(len(issued.access_token.text), max_access_chars)
                    return issued
                case Mint(child, after):
                    grant = _part_of(await self._grant(record), scopes)
                    # signed before anything is written: a token that nobody can carry moves no session
                    issued = self.tokens.issue(after, child, grant, record.epoch, now_ms // 1000)
                    check_length(len(issued.access_token.text), max_access_chars)
                    if await self.store.advance_session(record.session, after):
                        return issued
                case _:
                    assert_never(decision)
        raise StoreUnavailable("the session moves faster than it can be read")

    async def bind(self, text: str, proof: DeviceProof, *, client: ClientInfo) -> Issued:
        """Bind a session to the device whose key its browser registers (design D22); see `may_bind` for when.

        Returns:
            Tokens of the bound session. The refresh token is the one that its browser holds: nothing moved.

        Raises:
            InvalidRefreshToken: not one of ours.
            SessionEnded: the session was ended or is past a limit, or is no longer granted.
            DeviceProofRequired: a key may not be registered now, or `proof` brings none.
        """
        token = self.tokens.refresh.decode(text)
        record, now = await self._live(token.session_id)
        session = record.session
        if not may_bind(session, now=now):
            raise DeviceProofRequired("no key may be registered now")
        jwk = self.devices.read_registration(proof, session.id, proved_at(session), now=now)
        bound = replace(session, device_jwk=jwk, device_bound_at=now)
        issued = self.tokens.issue(bound, token, await self._grant(record), record.epoch, now)
        event = Event(
            kind="device_bound",
            at_ms=self.clock(),
            subject=session.subject,
            session=session.id,
            address=client.address,
            cause="after the login" if session.device_jwk is None else "again after a step-up",
            detail={"alg": read_jwk(jwk).alg},
        )
        if not await self.store.bind_session(session, bound, event):
            raise DeviceProofRequired("another key was registered, or the session has ended")
        return issued

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

    async def draft_proved(
        self, session_id: str, *, amr: tuple[str, ...], acr: str, auth_time: int, max_access_chars: int | None
    ) -> tuple[Session, AccessTokenDraft, int, tuple[str, ...]]:
        """A live session as it is after another proof of its user's, with the draft of its access token.

        Returns:
            The session, the draft, the subject's epoch, and what the token allows.

        Raises:
            SessionEnded, TokenTooLong: see `check_fits`.
        """
        record, now = await self._live(session_id)
        proved = replace(record.session, amr=amr, acr=acr, auth_time=auth_time)
        grant = await self._grant(replace(record, session=proved))
        draft = self.tokens.access.draft(proved, scopes=grant.scopes, claims=grant.claims, now=now)
        check_length(draft.check_fits(), max_access_chars)
        return proved, draft, record.epoch, tuple(grant.scopes)

    async def draft_kept(
        self, session_id: str, *, max_access_chars: int | None
    ) -> tuple[Session, AccessTokenDraft, int, tuple[str, ...]]:
        """As `draft_proved`, with what was proved before.

        Raises:
            SessionEnded, TokenTooLong: see `check_fits`.
        """
        record, _ = await self._live(session_id)
        held = record.session
        return await self.draft_proved(
            session_id, amr=held.amr, acr=held.acr, auth_time=held.auth_time, max_access_chars=max_access_chars
        )

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
        """Make the subject's access tokens outdated: clients refresh and get new claims; nobody is logged out."""
        await self._revoke(RefreshClaims(subject=subject), self._event("claims_refreshed", subject=subject))

    async def read(self, session_id: str) -> Session | None:
        """The session, if it is live."""
        record = await self._read(session_id)
        if record is None or over_cause(record.session, self.clock() // 1000) is not None:
            return None
        return record.session

    async def list(self, subject: str | None, *, limit: int = 1000) -> list[Session]:
        """Live sessions of the subject, or of everybody; the newest first, and no more than `limit`."""
        return await self.store.list_sessions(subject, now=self.clock() // 1000, limit=limit)

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
                await check_clock(self.store, self.clock, leeway_seconds=self.policy.leeway_seconds)
                event = self._event("session_ended", **whose, cause=limit)
                if await self._revoke(EndSession(id=session.id, cause=limit, unmoved=session), event) is not None:
                    raise SessionEnded(f"session is over: {limit}")
            case Reused():
                event = self._event("refresh_reused", **whose, cause="a dead refresh token with a good MAC was used")
                if await self._revoke(EndSession(id=session.id, cause="reuse", unmoved=session), event) is not None:
                    raise RefreshReused("a dead refresh token was used")

    async def _revoke(self, revocation: Revocation, event: Event) -> int | None:
        return await self.store.revoke(revocation, event, now=self.clock() // 1000)

    def _over_here(self, session_id: str) -> None:
        """Another node ended it, perhaps by a try whose answer was lost: what we call over, we must not accept (I2)."""
        now = self.clock() // 1000
        until = retained_until(self.tokens.access.ttl.longest, now=now, store_now=now)
        entry = draft_entry("session", session_id, expires_at=until)
        self.store.apply_here((entry,))

    async def _read(self, session_id: str) -> SessionRecord | None:
        """The row; that there is none must be confirmed, for a primary that was left behind has none either (F8)."""
        return await self.store.read_session(session_id) or await self.store.confirm_session(session_id)

    async def _live(self, session_id: str) -> tuple[SessionRecord, int]:
        """The row of a live session, and the second at which it lived."""
        await self.tokens.access.ttl.declare()
        record = await self._read(session_id)
        now = self.clock() // 1000
        if record is None or over_cause(record.session, now) is not None:
            raise SessionEnded("the session is over")
        return record, now

    async def _grant(self, record: SessionRecord) -> Grant:
        grant = await self.grants.ask(record.session, record.account)
        if grant is None:
            await self.end(record.session.id, cause="ended_by_operator")
            raise SessionEnded("the application no longer grants this session")
        return grant

    def _event(
        self, kind: EventKind, *, subject: str = "", session: str = "", address: str = "", cause: str = ""
    ) -> Event:
        return Event(kind=kind, at_ms=self.clock(), subject=subject, session=session, address=address, cause=cause)


def check_key(session: Session, proved: str) -> None:
    """Let nobody refresh a session but the holder of the key that it was started with (RFC 9449 §5).

    A session without a key never gets one: a thief could have bound it to theirs.

    Raises:
        InvalidProof: no key, or another one, was proved.
    """
    if not compare_digest(session.proof_key, proved):
        raise InvalidProof(
            "the session has no key"
            if not session.proof_key
            else "another key was proved"
            if proved
            else "the session has a key, and no proof came"
        )


def _part_of(grant: Grant, scopes: Iterable[str] | None) -> Grant:
    return grant if scopes is None else replace(grant, scopes=narrowed(grant.scopes, scopes))
