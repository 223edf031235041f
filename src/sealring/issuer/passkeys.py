"""The passkeys of an account: what their owner does with them beside logging in.

`Credentials` adds and removes them, as it does with all credentials.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sealring.accounts.account import Account
from sealring.accounts.credential import Credential
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.decision import PROOF_SECONDS
from sealring.authentication.method import PASSKEY
from sealring.authentication.one_time import OneTime, digest_of
from sealring.authentication.passkey import (
    ALGORITHMS,
    PasskeyRefused,
    Registered,
    RegistrationResponse,
    read_passkey,
    read_response,
    user_handle,
    verify_registration,
    write_passkey,
)
from sealring.authentication.passkey_challenge import NONCE_BYTES, PasskeyChallenges, Purpose
from sealring.authentication.relying_party import RelyingParty
from sealring.errors import InvalidField, NotFound, Overloaded, Revoked
from sealring.issuer.commit import CommittingStore
from sealring.issuer.credentials import LOST_SWAPS, MAX_LABEL
from sealring.issuer.methods.passkey import CHALLENGE, descriptors, passkeys_among
from sealring.jwt.base64url import encode
from sealring.sessions.device import describe_device


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkeys:
    """Registers, lists and renames passkeys.

    Args:
        store: where they are.
        challenges: makes and checks what is signed.
        party: whose they are.
        clock: Unix milliseconds.
    """

    store: CommittingStore
    challenges: PasskeyChallenges
    party: RelyingParty
    clock: Callable[[], int]

    async def begin_registration(self, account_id: str, session_id: str, *, conditional: bool) -> dict[str, Any]:
        """`PublicKeyCredentialCreationOptionsJSON` of WebAuthn Level 3 §5.1: what the browser needs to make a passkey.

        Args:
            account_id: whose it is to be.
            session_id: the session that asks; another one cannot finish.
            conditional: the browser is to make it without a question, right after a login with a saved password.

        Raises:
            Revoked: the account is gone.
        """
        account = await self._account(account_id)
        own = passkeys_among(await self.store.find_credentials(account_id=account_id))
        challenge = self.challenges.make(
            _purpose(conditional=conditional),
            nonce=secrets.token_bytes(NONCE_BYTES),
            now=self._now(),
            account_id=account_id,
            browser=session_id,
        )
        return {
            "rp": {"id": self.party.id, "name": self.party.id},
            "user": {"id": encode(user_handle(account_id)), "name": account.name, "displayName": account.name},
            "challenge": challenge,
            "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in ALGORITHMS],
            "timeout": PROOF_SECONDS * 1000,
            "excludeCredentials": descriptors(own),
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": True,
                "userVerification": "preferred" if conditional else "required",
            },
            "attestation": "none",
        }

    async def finish_registration(
        self, account_id: str, session_id: str, response: object, *, label: str, client: ClientInfo
    ) -> Credential:
        """A passkey that was just made for this account and session, ready to be added; its challenge is used up.

        Args:
            account_id: as it began.
            session_id: as it began.
            response: `RegistrationResponseJSON`.
            label: what its owner calls it; empty for the device that asks.
            client: where the request came from.

        Raises:
            InvalidField: it is not good, for a reason that is the client's own.
        """
        try:
            registered = verify_registration(read_response(response, RegistrationResponse), self.party)
            await self._spend(registered, account_id, session_id)
        except PasskeyRefused as refused:
            raise InvalidField("credential", str(refused)) from None
        return Credential(
            id=registered.id,
            account_id=account_id,
            method=PASSKEY.name,
            public=write_passkey(registered.passkey),
            label=label or describe_device(client.user_agent),
            counter=registered.counter,
            created_at=self._now(),
        )

    def user_id(self, account_id: str) -> str:
        """The account's name in authenticators, as base64url text."""
        return encode(user_handle(account_id))

    def is_synced(self, credential: Credential) -> bool:
        """Whether a passkey may be on several devices of its owner."""
        return read_passkey(credential.public).synced

    async def list(self, account_id: str) -> list[Credential]:
        """The account's passkeys, the oldest first."""
        return passkeys_among(await self.store.find_credentials(account_id=account_id))

    async def find(self, account_id: str, credential_id: str) -> Credential:
        """One of the account's passkeys.

        Raises:
            NotFound: it has none of that id; another may have it.
        """
        for own in await self.list(account_id):
            if own.id == credential_id:
                return own
        raise NotFound("no such passkey")

    async def rename(self, account_id: str, credential_id: str, label: str) -> Credential:
        """Call one of the account's passkeys by another name.

        Raises:
            InvalidField: `label` is empty or too long.
            NotFound: see `find`.
            Overloaded: it is used faster than it can be renamed.
        """
        if not 0 < len(label) <= MAX_LABEL:
            raise InvalidField("label", f"must be 1 to {MAX_LABEL} characters")
        for _ in range(LOST_SWAPS):
            before = await self.find(account_id, credential_id)
            after = replace(before, label=label)
            if await self.store.advance_credential(before, after):
                return after
        raise Overloaded("the passkey is used faster than it can be renamed")

    async def _account(self, account_id: str) -> Account:
        account = await self.store.find_account(id=account_id)
        if account is None or account.status != "active":
            raise Revoked("subject")
        return account

    async def _spend(self, registered: Registered, account_id: str, session_id: str) -> None:
        """Check the challenge and use it up.

        Raises:
            PasskeyRefused: it is not good for this, or was used; or nobody touched an authenticator that should ask.
        """
        ends = self._ends(registered.challenge, "registration", account_id, session_id)
        if ends is None:
            ends = self._ends(registered.challenge, "conditional registration", account_id, session_id)
        elif not registered.user_present:
            raise PasskeyRefused("passkey user was not present")
        if ends is None:
            raise PasskeyRefused("passkey challenge is not good")
        digest = digest_of(CHALLENGE, registered.challenge)
        spent = OneTime(digest=digest, purpose=CHALLENGE, subject=account_id, expires_at=ends)
        if not await self.store.put_once(spent):
            raise PasskeyRefused("passkey challenge was used")

    def _ends(self, challenge: str, purpose: Purpose, account_id: str, session_id: str) -> int | None:
        return self.challenges.check(challenge, purpose, now=self._now(), account_id=account_id, browser=session_id)

    def _now(self) -> int:
        return self.clock() // 1000


def _purpose(*, conditional: bool) -> Purpose:
    return "conditional registration" if conditional else "registration"
