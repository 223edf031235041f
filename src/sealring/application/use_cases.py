"""What an application has done: accounts of ours log in, sessions of its own users start, any session ends.

Each checks its arguments, opens what is not open yet, and leaves the rest to the issuer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sealring.application.mail_use_cases import MailUseCases
from sealring.authentication.method import PASSWORD
from sealring.errors import SecondFactorRequired, SessionEnded
from sealring.http.client_info import AnyRequest
from sealring.http.schemas import Delivery
from sealring.issuer.account_commands import AccountCommands, check_limit, check_name, check_optional_text, check_text
from sealring.issuer.client_commands import ClientCommands
from sealring.issuer.log_in import BegunLogin, LoggedIn
from sealring.issuer.reauthentication import Reauthenticated
from sealring.issuer.session_tokens import Issued
from sealring.sessions.grant import check_acr, check_amr, check_subject
from sealring.sessions.session import Session


class UseCases(MailUseCases):
    """Accounts and sessions, in force on this node when a method returns (I2)."""

    @property
    def accounts(self) -> AccountCommands:
        """Find, list, create, disable, enable, delete accounts, set scopes and passwords; each in force at once."""
        return AccountCommands(self.issuer.accounts, self._opening)

    @property
    def clients(self) -> ClientCommands:
        """Registered OAuth clients: register, list, remove, set scopes, replace secrets; each in force at once.

        >>> from sealring.testing import InMemorySealring
        >>> with InMemorySealring().sync() as s:
        ...     s.clients.register("nightly report", scopes=["orders:read"]).client.scopes
        ('orders:read',)
        """
        return ClientCommands(self.issuer.clients, self._opening)

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

        Returns:
            The account, its first tokens, and the value of the device cookie; `deliver` hands them over.

        Raises:
            InvalidField, NameTaken, Throttled, Overloaded: why not; `problem_response` answers with it.
            EmailUnverified: the account is made, and its address must be verified before a login
                (`SEALRING_VERIFY_EMAIL=required`).
            RegistrationClosed, InvitationRequired: this person may not register; see `SEALRING_REGISTRATION`.
            NotGranted, Unavailable, TokenTooLong: its session could not start: no account is made, and no
                invitation is used up. `grant_for` is asked before the account can be found.
            CrossSite, RequestRefused: see `start_session`.
            TypeError, ValueError: neither a request nor an IP address, or both.

        >>> new = await auth.register("ada", "analytical engine 1843", address="192.0.2.7")
        >>> new.account.name, auth.verify(new.issued.access_token.text).subject == new.account.id
        ('ada', True)
        """
        check_text(username=username, password=password)
        check_text(
            **{name: value for name, value in (("email", email), ("invitation", invitation)) if value is not None}
        )
        client = self._counted_client(request, address, user_agent, with_proof=delivery == "body")
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

        Returns:
            The account, the tokens of the session, and the value of the device cookie; `deliver` hands them over.

        Raises:
            WrongCredentials, Throttled, Overloaded: why not; `problem_response` answers with it.
            SecondFactorRequired: the password is right; go on with `log_in_by`.
            EmailUnverified: the password is right; a mail says how to go on.
            CrossSite, RequestRefused, TokenTooLong: see `start_session`.
            TypeError, ValueError: neither a request nor an IP address, or both.

        >>> ada = await auth.accounts.create("ada", "analytical engine 1843", scopes=["orders:read"])
        >>> (await auth.log_in("ada", "analytical engine 1843", address="192.0.2.7")).issued.scopes
        ('orders:read',)
        >>> await auth.log_in("ada", "difference engine", address="192.0.2.7")
        Traceback (most recent call last):
        sealring.errors.WrongCredentials: username or password is wrong
        """
        check_text(username=username, password=password)
        return await self.log_in_by(
            PASSWORD.name,
            {"username": username, "password": password},
            request=request,
            delivery=delivery,
            address=address,
            user_agent=user_agent,
            device=device,
        )

    async def begin_login(
        self,
        method: str,
        response: Mapping[str, str] | None = None,
        *,
        pending: str | None = None,
        request: AnyRequest | None = None,
        delivery: Delivery = "body",
        address: str | None = None,
        user_agent: str = "",
        device: str | None = None,
    ) -> BegunLogin:
        """Begin a login method, such as by sending a code: `POST /auth/login/{method}/begin` for a route of your own.

        Args:
            method: the name of the method.
            response: at a first step, what says whose account it is, as the method wants it.
            pending: of the step before (`SecondFactorRequired.pending`); None at a first step.
            request: as in `log_in`.
            delivery: as the login will have it: with "cookie", the login is bound to this browser, and `deliver` gives
                it what binds it.
            address: as in `log_in`.
            user_agent: as in `log_in`.
            device: as in `log_in`.

        Returns:
            What `deliver` takes; it is the same for known and unknown accounts.

        Raises:
            UnknownMethod, InvalidField: no such method, or not what it reads.
            InvalidPendingLogin, WrongCredentials, Throttled: why not; `problem_response` answers with it.
            CrossSite, RequestRefused, TypeError, ValueError: as `log_in`.

        A password needs nothing beforehand, so its challenge is empty:

        >>> await auth.begin_login("password", {"username": "nobody"}, address="192.0.2.7")
        BegunLogin(challenge={})
        """
        given = _check_step(method, response or {}, pending)
        client = self._login_client(request, delivery, address, user_agent, device)
        self._recipient(request, delivery)
        await self.open()
        challenge = await self.issuer.logins.begin(pending, method, given, client=client)
        return BegunLogin(dict(challenge), self.delivery.login_cookie(client.browser))

    async def log_in_by(
        self,
        method: str,
        response: Mapping[str, str],
        *,
        pending: str | None = None,
        request: AnyRequest | None = None,
        delivery: Delivery = "body",
        address: str | None = None,
        user_agent: str = "",
        device: str | None = None,
    ) -> LoggedIn:
        """Take one step of a login by a method: `POST /auth/login/{method}` for a route of your own.

            try:
                logged_in = await auth.log_in(username, password, request=request)
            except SecondFactorRequired as needed:       # needed.methods says by which
                ...                                      # later, with what the user has shown:
                logged_in = await auth.log_in_by(method, {"code": code}, pending=needed.pending, request=request)

        Args:
            method: the name of the method that proves.
            response: what the client presents to it.
            pending: of the step before (`SecondFactorRequired.pending`); None at a first step.
            request: as in `log_in`.
            delivery: the same at each step: with "cookie", a pending login is worth nothing in another browser.
            address: as in `log_in`.
            user_agent: as in `log_in`.
            device: as in `log_in`.

        Returns:
            As `log_in`.

        Raises:
            SecondFactorRequired: right, and one more step is needed. `problem_response` answers with `pending` and
                `methods`; `deliver` takes it too.
            UnknownMethod, InvalidField: no such method, or not what it reads.
            InvalidPendingLogin: `pending` is not ours, too old, used, or of another browser: start again.
            WrongCredentials, Throttled, Overloaded: why not.
            CrossSite, RequestRefused, TokenTooLong, TypeError, ValueError: as `log_in`.

        >>> ada = await auth.accounts.create("ada", "analytical engine 1843")
        >>> proof = {"username": "ada", "password": "analytical engine 1843"}
        >>> (await auth.log_in_by("password", proof, address="192.0.2.7")).issued.session.amr
        ('pwd',)
        """
        given = _check_step(method, response, pending)
        client = self._login_client(request, delivery, address, user_agent, device)
        recipient = self._recipient(request, delivery)
        await self.open()
        try:
            logged_in = await self.issuer.log_in_by(
                method,
                given,
                pending=pending,
                client=client,
                replaces=recipient.held,
                max_access_chars=recipient.max_access_chars,
            )
        except SecondFactorRequired as needed:
            needed.cookie = self.delivery.login_cookie(client.browser)
            raise
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

        Returns:
            Both tokens and the session; `deliver` hands them over.

        Raises:
            TypeError, ValueError: the subject, scopes or claims are invalid.
            AccountInactive: the subject is an account of ours that is disabled or was deleted.
            NotGranted: `grant_for` was asked and grants nothing.
            Unavailable: it failed or took longer than five seconds; try again.
            CrossSite: for cookies: another site's page sent the request (C2).
            RequestRefused, TokenTooLong: for cookies: the browser would drop them.

        >>> issued = await auth.start_session("42", scopes=["orders:read"], claims={"tenant": "t1"}, amr=["otp"])
        >>> user = auth.verify(issued.access_token.text)
        >>> user.subject, sorted(user.scopes), user.claims["tenant"], user.amr
        ('42', ['orders:read'], 't1', ('otp',))
        """
        check_subject(subject)
        if client_id != "":
            check_name("client_id", client_id)
        recipient = self._recipient(request, delivery)
        client = self._client(request, address, user_agent, with_proof=delivery == "body")
        await self.open()
        issued = await self.issuer.new_sessions.start(
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

    async def reauthenticate_session(
        self,
        session_id: str,
        *,
        amr: Iterable[str] = (),
        acr: str = "",
        auth_time: int | None = None,
        request: AnyRequest | None = None,
        delivery: Delivery = "body",
    ) -> Reauthenticated:
        """The user of a session has just proved again who they are, to the application: the session goes on.

        For users of your own; accounts of ours prove it at `POST /auth/reauthenticate/{method}`.

        Args:
            session_id: `Principal.session_id`.
            amr: how the user proved it, as in `start_session`: all that `acr` rests on.
            acr: how strongly.
            auth_time: when, in Unix seconds: the oldest of these proofs; now when left out.
            request: the request that asks.
            delivery: how `deliver` will hand over the access token.

        Returns:
            The session and its new access token, which `deliver` hands over; its refresh token stays as it is.

        Raises:
            SessionEnded: it has ended.
            RequestRefused, TokenTooLong: for cookies: the browser would drop it.
            TypeError, ValueError: arguments that cannot be.

        Source: RFC 9470.

        >>> issued = await auth.start_session("42", amr=["pwd"], acr="sfa")
        >>> again = await auth.reauthenticate_session(issued.session.id, amr=["pwd", "otp", "mfa"], acr="mfa")
        >>> auth.verify(again.access_token.text).acr
        'mfa'
        """
        check_name("session_id", session_id)
        proved, strength = check_amr(amr), check_acr(acr)
        now = self.issuer.clock() // 1000
        if auth_time is not None and (type(auth_time) is not int or not 0 < auth_time <= now):
            raise ValueError("auth_time must be Unix seconds that have passed")
        recipient = self._recipient(request, delivery)
        client = self._client(request, None, "")
        await self.open()
        again = await self.issuer.reauthentication.put(
            session_id,
            amr=proved,
            acr=strength,
            auth_time=now if auth_time is None else auth_time,
            guard=None,
            client=client,
            max_access_chars=recipient.max_access_chars,
        )
        if again is None:
            raise SessionEnded("the session is over")
        return replace(again, delivery=delivery)

    async def refresh_session(
        self, refresh_token: str, *, request: AnyRequest | None = None, address: str | None = None
    ) -> Issued:
        """Trade a refresh token for the next one and a fresh access token.

        Args:
            refresh_token: the client's.
            request: the request that asks; with it, or with `address`, refusals are counted by address.
            address: the client's IP address, where there is no request.

        Returns:
            The next pair of tokens, of the same session.

        Raises:
            RefreshRefused: the subclass says why; `problem_response` answers with it.
            Throttled: too many dead refresh tokens from this address.

        Source: RFC 6749 §6, RFC 9700 §4.14.

        >>> first = await auth.start_session("42")
        >>> second = await auth.refresh_session(first.refresh_token)
        >>> second.session.id == first.session.id, second.refresh_token == first.refresh_token
        (True, False)
        """
        check_text(refresh_token=refresh_token)
        client = self._client(request, address, "", with_proof=True)
        await self.open()
        return await self.issuer.refresh(
            refresh_token, client=client, counted=request is not None or address is not None
        )

    async def list_sessions(self, subject: str, *, limit: int = 1000) -> list[Session]:
        """Live sessions of a subject, an account of ours or a user of yours: the newest first, at most `limit`.

        Args:
            subject: the id of an account of ours or of a user of yours.
            limit: how many at most.

        Raises:
            TypeError, ValueError: `subject` is not 1 to 255 printable characters, or `limit` no number from 1 on.

        >>> laptop = await auth.start_session("42", user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/133.0")
        >>> [session.device for session in await auth.list_sessions("42")]
        ['Firefox on Linux']
        """
        check_subject(subject)
        check_limit(limit)
        await self.open()
        return await self.issuer.sessions.list(subject, limit=limit)

    async def revoke_session(self, session_id: str) -> bool:
        """End one session on every node; true when there was a live one.

        Args:
            session_id: `Session.id` or `Principal.session_id`.

        Returns:
            Whether there was a live one. It is in force on this node now, elsewhere within `max_staleness`.

        Raises:
            TypeError, ValueError: it is not 1 to 255 printable characters.

        >>> issued = await auth.start_session("42")
        >>> await auth.revoke_session(issued.session.id), await auth.revoke_session(issued.session.id)
        (True, False)
        >>> auth.verify(issued.access_token.text)
        Traceback (most recent call last):
        sealring.errors.Revoked: revoked by session
        """
        check_name("session_id", session_id)
        await self.open()
        return await self.issuer.sessions.end(session_id, cause="ended_by_operator")

    async def revoke_subject(self, subject: str) -> int:
        """End every session of a subject on every node; how many there were to end.

        Args:
            subject: the id of an account of ours or of a user of yours: 1 to 255 printable characters.

        Returns:
            How many live sessions there were. It is in force on this node now, elsewhere within `max_staleness`.

        Raises:
            TypeError, ValueError: it is not.

        >>> tokens = [(await auth.start_session("42")).access_token.text for _ in range(3)]
        >>> await auth.revoke_subject("42")
        3
        >>> auth.verify(tokens[0])
        Traceback (most recent call last):
        sealring.errors.Revoked: revoked by subject
        """
        check_subject(subject)
        await self.open()
        return await self.issuer.sessions.end_subject(subject)

    async def refresh_claims(self, subject: str) -> None:
        """Make the subject's access tokens outdated: the next refresh brings new claims, nobody is logged out.

        Args:
            subject: the id of an account of ours or of a user of yours: 1 to 255 printable characters.

        Raises:
            TypeError, ValueError: it is not.

        >>> issued = await auth.start_session("42")
        >>> await auth.refresh_claims("42")
        >>> auth.verify(issued.access_token.text)
        Traceback (most recent call last):
        sealring.errors.Revoked: revoked by subject
        >>> auth.verify((await auth.refresh_session(issued.refresh_token)).access_token.text).subject
        '42'
        """
        check_subject(subject)
        await self.open()
        await self.issuer.sessions.refresh_claims(subject)


def _check_step(method: str, response: Mapping[str, str], pending: str | None) -> dict[str, str]:
    """The response of one step of a login.

    Raises:
        TypeError: an argument that is not what it should be; names it.
    """
    check_text(method=method)
    check_optional_text(pending=pending)
    if not isinstance(response, Mapping):
        raise TypeError('response must be a mapping of text, as in {"code": "123456"}')
    check_text(**{f"response[{name!r}]": value for name, value in response.items()})
    return dict(response)
