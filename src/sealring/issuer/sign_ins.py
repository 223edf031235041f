"""Logins at identity providers: an attempt begins, an identity is linked or unlinked, a provider logs somebody out.

The answer to an attempt that is a login goes the way of every login (`LogIn`, `methods.oidc`). One that links needs
the session that asked for it, still alive, in the same browser: else the next person at that browser, who finishes it
at the provider, would put a key of theirs on the account.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

from sealring.accounts.credential import Credential
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.method import OIDC
from sealring.authentication.one_time import OneTime
from sealring.authentication.pending import digest_of_browser
from sealring.authentication.sign_in import ATTEMPT_SECONDS, Link, SignInAttempt
from sealring.errors import InvalidPendingLogin, NotFound, WrongCredentials
from sealring.issuer.credentials import Credentials
from sealring.issuer.identities import credential_of
from sealring.issuer.methods import Failed
from sealring.issuer.methods.oidc import ENDED, Answers, ProviderAnswer, ended_digest
from sealring.issuer.sessions import Sessions
from sealring.jwt.base64url import encode
from sealring.providers.client import ProviderClient
from sealring.providers.id_token import EndedAtProvider
from sealring.providers.identity import credential_id_of, provider_session_digest
from sealring.sessions.session import Session

ATTEMPT_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIns:
    """Logins at the providers of this issuer.

    Args:
        answers: proves what providers answer.
        credentials: adds and removes identities.
        sessions: ends what a provider has ended.
        clock: Unix milliseconds.
    """

    answers: Answers
    credentials: Credentials
    sessions: Sessions
    clock: Callable[[], int]

    @property
    def providers(self) -> Mapping[str, ProviderClient]:
        """By name, in the order in which the application gave them."""
        return self.answers.clients

    async def begin(
        self,
        provider: str,
        *,
        next_path: str,
        redirect_uri: str,
        browser: str,
        link: Link | None = None,
        new_account: bool = False,
        fresh: bool = False,
    ) -> str:
        """The URL of the provider to which the browser goes (OpenID Connect Core §3.1.2.1). Nothing is stored.

        Args:
            provider: its name.
            next_path: a local path, for afterwards.
            redirect_uri: where the provider sends the browser.
            browser: what binds the attempt to it.
            link: whose account gets the identity, where it is no login.
            new_account: whether to make an account where one has the address that has not verified it.
            fresh: whether the provider is to ask the user again, whatever session it has.

        Raises:
            UnknownProvider: there is none of that name.
            Unavailable: it was never reached, and is not now.
            ProviderFault: it says of itself what it must not say.
        """
        client = self.answers.client(provider)
        attempt = SignInAttempt(
            id=secrets.token_urlsafe(ATTEMPT_ID_BYTES),
            provider=provider,
            browser=digest_of_browser(browser),
            next=next_path,
            redirect_uri=redirect_uri,
            expires_at=self.clock() // 1000 + ATTEMPT_SECONDS,
            link=link,
            new_account=new_account,
            fresh=fresh and client.provider.has_id_token,
        )
        codec, known = self.answers.codec, client.provider
        asked = {
            **known.parameters,
            "response_type": "code",
            "client_id": known.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(known.scopes),
            "state": codec.encode(attempt),
            "code_challenge": encode(sha256(codec.verifier(attempt).encode()).digest()),
            "code_challenge_method": "S256",
        }
        if known.has_id_token:
            asked["nonce"] = codec.nonce(attempt)
        if attempt.fresh:  # `prompt` beside it: some providers know the one, some the other
            asked |= {"max_age": "0", "prompt": "login"}
        if known.response_mode != "query":
            asked["response_mode"] = known.response_mode
        return _with_query((await client.metadata()).authorization_endpoint, asked)

    def attempt_of(self, state: object) -> SignInAttempt | None:
        """The attempt that a state of ours is, whatever its age: to go back to where it came from."""
        return self.answers.codec.read(state)

    async def link(self, answer: ProviderAnswer, *, client: ClientInfo) -> None:
        """Link the identity that a provider has answered with to the account that asked for it.

        Raises:
            InvalidPendingLogin: not an attempt of this browser, too old, used, or its session is over.
            WrongCredentials: the answer is refused.
            InvalidField: the identity is linked already, to this account or another.
            Revoked: the account has changed since.
            UnknownProvider, Unavailable: the provider is not in use, or out of reach.
        """
        now = self.clock() // 1000
        attempt = self.answers.codec.decode(answer.state, now=now, browser=client.browser)
        link = attempt.link
        if link is None:
            raise InvalidPendingLogin("not a login of ours")
        session = await self.sessions.read(link.session_id)
        if session is None or session.subject != link.account_id:
            raise InvalidPendingLogin("pending login is too old", link.account_id)
        identity = await self.answers.identify(attempt, answer)
        if isinstance(identity, Failed):
            attempts = self.credentials.authenticator.accounts.attempts
            await attempts.fail(client, subject=link.account_id, cause=identity.cause, method=OIDC.name)
            raise WrongCredentials
        credential = credential_of(identity, link.account_id, now=now)
        await self.credentials.add(replace(credential, last_used_at=None), epoch=link.epoch, client=client)

    async def identities_of(self, account_id: str) -> list[Credential]:
        """An account's identities, the oldest first."""
        return [own for own in await self.credentials.list(account_id) if own.method == OIDC.name]

    async def unlink(
        self, account_id: str, credential_id: str, *, epoch: int, keep_session: str, client: ClientInfo
    ) -> None:
        """Remove an identity, and end the sessions that began by it, all but the one that asks.

        Raises:
            NotFound: this account has no such identity.
            LastCredential: the account could not log in without it.
            Revoked: the account has changed since the caller's token was issued.
        """
        if credential_id not in [own.id for own in await self.identities_of(account_id)]:
            raise NotFound("no such identity")
        await self.credentials.remove(account_id, credential_id, epoch=epoch, client=client)
        await self._end_by_identity(account_id, credential_id, keep_session)

    async def unlink_by_operator(self, account_id: str, credential_id: str) -> None:
        """Remove an identity, the last way to log in too, and end every session that began by it.

        Raises:
            NotFound: this account has no such identity.
            NoSuchAccount, Overloaded: see `Credentials.remove_by_operator`.
        """
        if credential_id not in [own.id for own in await self.identities_of(account_id)]:
            raise NotFound("no such identity")
        await self.credentials.remove_by_operator(account_id, credential_id)
        await self._end_by_identity(account_id, credential_id, None)

    async def end_at_provider(self, provider: str, logout_token: str) -> int:
        """End the sessions that a provider's logout token names (Back-Channel Logout §2.7); how many.

        A token that comes again ends nothing that began after it.

        Raises:
            UnknownProvider: there is none of that name.
            ProviderFault: the token is refused.
            Unavailable: the provider's keys, or the store, cannot be reached: it must be sent again.
        """
        ended = await self.answers.client(provider).logged_out(logout_token)
        now = self.clock() // 1000
        if ended.session:
            # first: a login that is under way finds this, or its session is found below
            digest = provider_session_digest(ended.issuer, ended.session)
            mark = OneTime(digest=ended_digest(digest), purpose=ENDED, subject="", expires_at=now + 2 * ATTEMPT_SECONDS)
            await self.sessions.store.put_once(mark)
        found = [one for one in await self._named_by(ended, now) if one.created_at <= ended.issued_at]
        for session in found:
            await self.sessions.end(session.id, cause="ended_by_provider")
        return len(found)

    async def logout_url(self, provider: str, *, back_to: str) -> str:
        """Where the browser goes to log out at the provider too (RP-Initiated Logout §2); empty where that is not.

        Raises:
            UnknownProvider, Unavailable, ProviderFault: as `begin`.
        """
        client = self.answers.client(provider)
        endpoint = (await client.metadata()).end_session_endpoint
        if not endpoint:
            return ""
        asked = {"client_id": client.provider.client_id, "post_logout_redirect_uri": back_to}
        return _with_query(endpoint, asked)

    async def _named_by(self, ended: EndedAtProvider, now: int) -> list[Session]:
        digest = provider_session_digest(ended.issuer, ended.session) if ended.session else None
        identity = credential_id_of(ended.issuer, ended.subject) if ended.subject else None
        return await self.sessions.store.list_sessions(None, now=now, identity=identity, provider_session=digest)

    async def _end_by_identity(self, account_id: str, credential_id: str, keep: str | None) -> None:
        now = self.clock() // 1000
        for session in await self.sessions.store.list_sessions(account_id, now=now, identity=credential_id):
            if session.id != keep:
                await self.sessions.end(session.id, cause="ended_by_user")


def _with_query(url: str, members: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(members)}"
