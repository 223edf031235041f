"""What an application has done: accounts of ours log in, sessions of its own users start, any session ends.

Each checks its arguments, opens what is not open yet, and leaves the rest to the issuer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sealring.application.own_routes import OwnRoutes
from sealring.http.client_info import AnyRequest
from sealring.http.schemas import Delivery
from sealring.issuer.account_commands import AccountCommands, check_text
from sealring.issuer.log_in import LoggedIn
from sealring.issuer.sessions import Issued
from sealring.sessions.grant import check_subject
from sealring.sessions.session import Session


class UseCases(OwnRoutes):
    """Accounts and sessions, in force on this node when a method returns (I2)."""

    @property
    def accounts(self) -> AccountCommands:
        """Find, list, create, disable, enable, delete accounts, set scopes and passwords; each in force at once."""
        return AccountCommands(self.issuer.accounts, self._opening)

    async def register(
        self,
        username: str,
        password: str,
        *,
        email: str | None = None,
        invitation: str | None = None,
        request: AnyRequest | None = None,
        delivery: Delivery = "body",
        address: str | None = None,
        user_agent: str = "",
    ) -> LoggedIn:
        """Make an account and start its first session.

        Args:
            username: the name that the user chose.
            password: the password that the user chose.
            email: an address, if the user gave one.
            invitation: what `accounts.invite` gave, where `SEALRING_REGISTRATION=invited`.
            request: the request that asks, of any framework, an ASGI scope or a WSGI environ: attempts are counted by
                address.
            delivery: how `deliver` will hand over the tokens; see `start_session`.
            address: the client's IP address, where there is no request.
            user_agent: what it came with, where there is no request.

        Raises:
            InvalidField, NameTaken, Throttled, Overloaded: why not; `problem_response` answers with it.
            RegistrationClosed, InvitationRequired: this person may not register; see `SEALRING_REGISTRATION`.
            NotGranted, Unavailable, TokenTooLong: its session could not start: no account is made, and no
                invitation is used up. `grant_for` is asked before the account can be found.
            CrossSite, RequestRefused: see `start_session`.
            TypeError, ValueError: neither a request nor an IP address, or both.
        """
        check_text(username=username, password=password)
        client = self._counted_client(request, address, user_agent)
        recipient = self._recipient(request, delivery)
        await self.open()
        logged_in = await self.issuer.register(
            username,
            password,
            email=email,
            invitation=invitation,
            client=client,
            replaces=recipient.held,
            max_access_chars=recipient.max_access_chars,
        )
        return replace(logged_in, issued=replace(logged_in.issued, delivery=delivery))

    async def log_in(
        self,
        username: str,
        password: str,
        *,
        request: AnyRequest | None = None,
        delivery: Delivery = "body",
        address: str | None = None,
        user_agent: str = "",
        device: str | None = None,
    ) -> LoggedIn:
        """Check a password and start a session.

        Args:
            username: as it was typed.
            password: as it was typed.
            request: the request that asks, of any framework, an ASGI scope or a WSGI environ: attempts are counted by
                address.
            delivery: how `deliver` will hand over the tokens; see `start_session`.
            address: the client's IP address, where there is no request.
            user_agent: what it came with, where there is no request.
            device: `device` of an earlier answer to this client, so that no stranger's guesses lock it out; else the
                request's device cookie.

        Raises:
            WrongCredentials, Throttled, Overloaded: why not; `problem_response` answers with it.
            CrossSite, RequestRefused, TokenTooLong: see `start_session`.
            TypeError, ValueError: neither a request nor an IP address, or both.
        """
        check_text(username=username, password=password)
        client = self._counted_client(request, address, user_agent)
        recipient = self._recipient(request, delivery)
        await self.open()
        if device is not None:
            client = replace(client, device_cookie=device)
        logged_in = await self.issuer.log_in(
            username, password, client=client, replaces=recipient.held, max_access_chars=recipient.max_access_chars
        )
        return replace(logged_in, issued=replace(logged_in.issued, delivery=delivery))

    async def start_session(
        self,
        subject: str,
        *,
        scopes: Iterable[str] | None = None,
        claims: Mapping[str, Any] | None = None,
        client_id: str = "",
        amr: Iterable[str] = (),
        acr: str = "",
        request: AnyRequest | None = None,
        delivery: Delivery = "body",
        address: str | None = None,
        user_agent: str = "",
    ) -> Issued:
        """Start a session for a user whom the application has just authenticated.

        Args:
            subject: the user's id, `sub`: 1 to 255 printable characters.
            scopes: what the session may do: scope tokens of RFC 6749 §3.3. Left out, `grant_for` is asked, and
                without one it may do nothing.
            claims: added to each access token of the session. Left out, those that `grant_for` gives, if asked.
            client_id: the OAuth client; ours when left out.
            amr: how the user proved who they are: names of RFC 8176 §2, such as `["pwd", "otp", "mfa"]`.
            acr: how strongly: a name of yours (OpenID Connect Core §2).
            request: the request that asks: the list of sessions then says from where and by which device.
            delivery: how `deliver` will hand over the tokens. With "cookie" the session that this browser held ends,
                as at every login (C1), and what cookies cannot carry is refused before anything is written.
            address: where the request came from, where there is none to give.
            user_agent: what it came with, where there is no request to give.

        Raises:
            TypeError, ValueError: the subject, scopes or claims are invalid.
            AccountInactive: the subject is an account of ours that is disabled or was deleted.
            NotGranted: `grant_for` was asked and grants nothing.
            Unavailable: it failed or took longer than five seconds; try again.
            CrossSite: for cookies: another site's page sent the request (C2).
            RequestRefused, TokenTooLong: for cookies: the browser would drop them.
        """
        recipient = self._recipient(request, delivery)
        client = self._client(request, address, user_agent)
        await self.open()
        issued = await self.issuer.sessions.start(
            subject,
            scopes=scopes,
            claims=claims,
            client_id=client_id or self.issuer.client_id,
            client=client,
            replaces=recipient.held,
            max_access_chars=recipient.max_access_chars,
            amr=amr,
            acr=acr,
        )
        return replace(issued, delivery=delivery)

    async def refresh_session(
        self, refresh_token: str, *, request: AnyRequest | None = None, address: str | None = None
    ) -> Issued:
        """Trade a refresh token for the next one and a fresh access token.

        Args:
            refresh_token: the client's.
            request: the request that asks; with it, or with `address`, refusals are counted by address.
            address: the client's IP address, where there is no request.

        Raises:
            RefreshRefused: the subclass says why; `problem_response` answers with it.
            Throttled: too many dead refresh tokens from this address.
        """
        client = self._client(request, address, "")
        await self.open()
        return await self.issuer.refresh(
            refresh_token, client=client, counted=request is not None or address is not None
        )

    async def list_sessions(self, subject: str, *, limit: int = 1000) -> list[Session]:
        """Live sessions of a subject, an account of ours or a user of yours: the newest first, at most `limit`."""
        check_subject(subject)
        await self.open()
        return await self.issuer.sessions.list(subject, limit=limit)

    async def revoke_session(self, session_id: str) -> bool:
        """End one session on every node; true when there was a live one."""
        if not isinstance(session_id, str):
            raise TypeError("session_id must be text, as in issued.session.id")
        await self.open()
        return await self.issuer.sessions.end(session_id, cause="ended_by_operator")

    async def revoke_subject(self, subject: str) -> int:
        """End every session of a subject on every node; how many there were to end."""
        check_subject(subject)
        await self.open()
        return await self.issuer.sessions.end_subject(subject)

    async def refresh_claims(self, subject: str) -> None:
        """Make the subject's access tokens outdated: the next refresh brings new claims, nobody is logged out."""
        check_subject(subject)
        await self.open()
        await self.issuer.sessions.refresh_claims(subject)
