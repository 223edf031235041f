"""Login by passkey: the authenticator signs our challenge (WebAuthn Level 3).

As the first step it names its account itself and must verify its user, so it is two factors at once; as the second, a
touch is enough. Nothing is stored before it is answered, and then the challenge is used up, the counter moves and the
session starts in one transaction. A counter that does not rise is an event and no reason to lock the owner out: synced
passkeys have none, and a thief's copy would be the one that is ahead (WebAuthn Level 3 §6.1.1).
"""

# ruff: noqa: D102
# what each method promises stands once, in the protocol

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from sealring.accounts.account import Account
from sealring.accounts.credential import Credential
from sealring.audit.event import Event
from sealring.authentication.decision import PROOF_SECONDS
from sealring.authentication.method import PASSKEY
from sealring.authentication.one_time import OneTime, digest_of
from sealring.authentication.passkey import (
    Authenticated,
    AuthenticationResponse,
    PasskeyRefused,
    challenge_of,
    read_passkey,
    read_response,
    verify_authentication,
)
from sealring.authentication.passkey_challenge import NONCE_BYTES, PasskeyChallenges, Purpose
from sealring.authentication.proof import Proof
from sealring.authentication.relying_party import RelyingParty
from sealring.issuer.commit import CommittingStore
from sealring.issuer.hashing import HashingSlot
from sealring.issuer.methods import Failed, LoginMethod, Proved
from sealring.store.records import CredentialUse

CHALLENGE = "passkey challenge"
"""The purpose under which a challenge is kept that was answered."""


class PasskeyMethod(LoginMethod):
    """Proves a passkey: `credential` of the response is what the browser's `toJSON` gave, as text.

    Args:
        store: where the passkeys are.
        challenges: makes and checks what is signed.
        party: whose passkeys they are.
        clock: Unix milliseconds.
    """

    row = PASSKEY

    def __init__(
        self,
        store: CommittingStore,
        challenges: PasskeyChallenges,
        party: RelyingParty,
        *,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._challenges = challenges
        self._party = party
        self._clock = clock

    def claimed_name(self, response: Mapping[str, str]) -> str:  # noqa: ARG002 - the passkey names its account
        return ""

    async def is_enrolled(self, account: Account) -> bool:
        return bool(await self._passkeys_of(account))

    async def begin(self, account: Account | None, *, browser: str, now: int) -> Mapping[str, str]:
        own = [] if account is None else await self._passkeys_of(account)
        options = {
            "challenge": self._challenges.make(
                _purpose(account),
                nonce=secrets.token_bytes(NONCE_BYTES),
                now=now,
                account_id="" if account is None else account.id,
                browser=browser,
            ),
            "rpId": self._party.id,
            "timeout": PROOF_SECONDS * 1000,
            # a list without a known account would say who has passkeys (I11)
            "allowCredentials": descriptors(own),
            "userVerification": "required" if account is None else "preferred",
        }
        return {"options": msgspec.json.encode(options).decode()}

    async def prove(
        self,
        account: Account | None,
        response: Mapping[str, str],
        *,
        slot: HashingSlot | None,  # noqa: ARG002 - costs no hash
        browser: str,
        now: int,
    ) -> Proved | Failed:
        try:
            given = read_response(response["credential"], AuthenticationResponse)
            challenge = challenge_of(given)
        except PasskeyRefused as refused:
            return Failed(refused.cause)
        claimed = "" if account is None else account.id
        ends = self._challenges.check(challenge, _purpose(account), now=now, account_id=claimed, browser=browser)
        if ends is None:
            return Failed("passkey challenge is not good")
        found = await self._store.find_credential_owner(given.id)
        if found is None or found[1].method != self.row.name:
            return Failed("passkey is unknown")
        owner, credential = found
        if account is not None and owner.id != account.id:
            return Failed("passkey is of another account")
        try:
            used = verify_authentication(
                given, read_passkey(credential.public), self._party, account_id=owner.id, alone=account is None
            )
        except PasskeyRefused as refused:
            return Failed(refused.cause)
        spent = OneTime(digest=digest_of(CHALLENGE, challenge), purpose=CHALLENGE, subject=owner.id, expires_at=ends)
        return Proved(owner, self._proof(credential, used, now), self._use(credential, used, spent, now))

    def _proof(self, credential: Credential, used: Authenticated, now: int) -> Proof:
        return Proof(
            method=self.row.name,
            account_id=credential.account_id,
            at=now,
            credential_id=credential.id,
            amr=tuple(self.row.amr),
            factors=None if used.user_verified else frozenset({"possession"}),
        )

    def _use(self, credential: Credential, used: Authenticated, spent: OneTime, now: int) -> CredentialUse:
        after = replace(credential, counter=max(credential.counter, used.counter), last_used_at=now)
        events: tuple[Event, ...] = ()
        if (credential.counter or used.counter) and used.counter <= credential.counter:
            events = (
                Event(
                    kind="passkey_counter_back",
                    at_ms=self._clock(),
                    subject=credential.account_id,
                    detail={"credential": credential.id, "counter": used.counter, "known": credential.counter},
                ),
            )
        return CredentialUse(before=credential, after=after, spent=spent, events=events)

    async def _passkeys_of(self, account: Account) -> list[Credential]:
        return passkeys_among(await self._store.find_credentials(account_id=account.id))


def passkeys_among(credentials: Sequence[Credential]) -> list[Credential]:
    """Those of an account's credentials that are passkeys."""
    return [own for own in credentials if own.method == PASSKEY.name]


def descriptors(passkeys: Sequence[Credential]) -> list[dict[str, Any]]:
    """`PublicKeyCredentialDescriptorJSON` of WebAuthn Level 3 §5.1 for each."""
    return [
        {"type": "public-key", "id": own.id, "transports": list(read_passkey(own.public).transports)}
        for own in passkeys
    ]


def _purpose(account: Account | None) -> Purpose:
    return "login" if account is None else "second step"
