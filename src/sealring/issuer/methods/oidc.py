"""Login by the word of an identity provider: the code flow of OpenID Connect with PKCE, `state`, `nonce` and `iss`.

An attempt is used up before the code is sent, so of two answers to one attempt one counts, on whatever node.
"""

# ruff: noqa: D102
# what each method promises stands once, in the protocol

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest

from sealring.accounts.account import Account
from sealring.authentication.method import OIDC
from sealring.authentication.one_time import OneTime, digest_of
from sealring.authentication.proof import Proof
from sealring.authentication.sign_in import SignInAttempt, SignInCodec
from sealring.errors import InvalidPendingLogin, UnknownProvider
from sealring.issuer.commit import CommittingStore
from sealring.issuer.hashing import HashingSlot
from sealring.issuer.identities import Identities
from sealring.issuer.methods import Failed, LoginMethod, Proved
from sealring.issuer.sessions import Sessions
from sealring.providers.client import ProviderClient
from sealring.providers.identity import Identity
from sealring.providers.metadata import ProviderFault
from sealring.sessions.session import Session

log = logging.getLogger("sealring.providers")

USED = "provider login"
"""The purpose under which the id of an attempt is kept once the provider has answered."""
ENDED = "ended at the provider"
"""The purpose under which the end of a session at a provider is kept for logins that are under way."""
FAULT = "answer of the identity provider failed a check"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswer:
    """What a browser brings back from a provider."""

    provider: str
    state: str
    code: str
    iss: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers of providers, proved: for logins and for links.

    Args:
        clients: by the names of the providers.
        codec: reads attempts.
        store: where used attempts are kept.
    """

    clients: Mapping[str, ProviderClient]
    codec: SignInCodec
    store: CommittingStore

    def client(self, name: str) -> ProviderClient:
        """The provider of that name.

        Raises:
            UnknownProvider: there is none.
        """
        found = self.clients.get(name)
        if found is None:
            raise UnknownProvider("no identity provider has this name")
        return found

    async def identify(self, attempt: SignInAttempt, answer: ProviderAnswer) -> Identity | Failed:
        """Who has logged in at the provider.

        Raises:
            InvalidPendingLogin: the provider has answered this attempt before.
            UnknownProvider, Unavailable: it is not in use, or out of reach.
        """
        client = self.client(answer.provider)
        # mix-up: the answer of one provider must not be sent to another (RFC 9207 §2.4, RFC 9700 §4.4)
        if attempt.provider != answer.provider:
            return Failed("answer of another identity provider")
        try:
            metadata = await client.metadata()
            if metadata.names_itself or answer.iss:
                wanted = client.provider.issuer.encode()
                if not compare_digest(answer.iss.encode(errors="surrogatepass"), wanted):
                    return Failed("answer of another identity provider")
            await self._use_up(attempt)
            answered = await client.exchange(
                answer.code, verifier=self.codec.verifier(attempt), redirect_uri=attempt.redirect_uri
            )
            return await client.identify(answered, nonce=self.codec.nonce(attempt), fresh=attempt.fresh)
        except ProviderFault as fault:
            log.warning("provider %s: %s", answer.provider, fault)
            return Failed(FAULT)

    async def _use_up(self, attempt: SignInAttempt) -> None:
        used = OneTime(digest=digest_of(USED, attempt.id), purpose=USED, subject="", expires_at=attempt.expires_at)
        if not await self.store.put_once(used):
            raise InvalidPendingLogin("identity provider answered before")


def ended_digest(provider_session: str) -> str:
    """The digest under which the end of a provider's session is kept."""
    return digest_of(ENDED, provider_session)


class OidcMethod(LoginMethod):
    """Proves what a provider has answered: `provider`, `state`, `code` and `iss` of the response.

    Args:
        answers: reads and proves it.
        identities: know whose identity it is.
        sessions: ends the one that its provider has ended meanwhile.
    """

    row = OIDC

    def __init__(self, answers: Answers, identities: Identities, sessions: Sessions) -> None:
        self._answers = answers
        self._identities = identities
        self._sessions = sessions

    def claimed_name(self, response: Mapping[str, str]) -> str:
        # rate limits count by attempt: one name for all would let a stranger close the door to everybody. The line
        # break keeps it from being the name of an account
        attempt = self._answers.codec.read(response["state"])
        return "\n" if attempt is None else f"\n{attempt.id}"

    async def is_enrolled(self, account: Account) -> bool:
        return await self._identities.is_enrolled(account)

    async def begin(
        self,
        account: Account | None,  # noqa: ARG002 - the provider asks who it is
        *,
        browser: str,  # noqa: ARG002
        now: int,  # noqa: ARG002
    ) -> Mapping[str, str]:
        return {}

    async def prove(
        self,
        account: Account | None,  # noqa: ARG002 - the provider says whose it is
        response: Mapping[str, str],
        *,
        slot: HashingSlot | None,  # noqa: ARG002
        browser: str,
        now: int,
    ) -> Proved | Failed:
        answer = ProviderAnswer(**response)
        attempt = self._answers.codec.decode(answer.state, now=now, browser=browser)
        if attempt.link is not None:
            return Failed("answer of another identity provider")
        identity = await self._answers.identify(attempt, answer)
        if isinstance(identity, Failed):
            return identity
        found = await self._identities.account_of(identity, new_account=attempt.new_account)
        if isinstance(found, Failed):
            return found
        proof = Proof(
            method=self.row.name,
            account_id=found.id,
            at=now,
            credential_id=identity.credential_id,
            provider_session=identity.session_digest,
            authenticated_at=None if identity.authenticated_at is None else min(identity.authenticated_at, now),
            amr=tuple(self.row.amr),
        )
        return Proved(found, proof)

    async def began(self, proof: Proof, session: Session) -> None:
        """A logout at the provider that came before the session was written found nothing to end: it is kept (R5)."""
        if not proof.provider_session:
            return
        digest, now = ended_digest(proof.provider_session), self._sessions.clock() // 1000
        ended = await self._sessions.store.take_once(digest, purpose=ENDED, now=now)
        if ended is not None:
            await self._sessions.store.put_once(ended)  # for the next one
            await self._sessions.end(session.id, cause="ended_by_provider")
            raise InvalidPendingLogin("session at the identity provider has ended", session.subject)
