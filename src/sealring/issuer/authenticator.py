"""One step of a login, by any method: queued, counted, proved, judged, recorded, and evenly timed.

This is the one place that does so for all methods. Only a complete login empties an account's rate
limits: a right password must not give its owner, or its thief, more tries at the second factor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sealring.accounts.account import Account
from sealring.accounts.names import lenient_name
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.decision import (
    AuthenticationPolicy,
    Complete,
    NeedsFactor,
    Outcome,
    Refused,
    decide_authentication,
)
from sealring.authentication.pending import PendingLogin
from sealring.authentication.proof import Proof
from sealring.errors import InvalidPendingLogin, WrongCredentials
from sealring.issuer.accounts import Accounts
from sealring.issuer.commit import CommittingStore
from sealring.issuer.methods import Failed, LoginMethod, Proved

NO_NAME = ""
"""No account has it: looked up for names that no account can have, so that those take the same steps."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What one step came to."""

    account: Account
    proofs: tuple[Proof, ...]
    outcome: Complete | NeedsFactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """Proves who a client is.

    Args:
        store: where accounts are found.
        accounts: counts attempts.
        policy: rows of the methods, and how many factors are asked.
        methods: what carries out each row.
        clock: Unix milliseconds.
    """

    store: CommittingStore
    accounts: Accounts
    policy: AuthenticationPolicy
    methods: Sequence[LoginMethod]
    clock: Callable[[], int]

    async def prove(
        self, earlier: PendingLogin | None, way: LoginMethod, response: Mapping[str, str], client: ClientInfo
    ) -> Judged:
        """Prove one thing, counted, recorded and evenly timed.

        Raises:
            WrongCredentials, Throttled, Overloaded: see `LogIn.step`.
        """
        attempts = self.accounts.attempts
        account, bucket_name = await self._claimed(earlier, way, response)
        purpose = "login" if way.row.costs_hash else f"login by {way.row.name}"
        buckets = self.accounts.buckets(purpose, bucket_name, client, rate=way.row.rate)
        proofs = () if earlier is None else earlier.proofs
        async with attempts.attempt(buckets, client, hashes=way.row.costs_hash) as attempt:
            if earlier is None:  # found only now: a flood that is refused asks the store nothing
                name = lenient_name(bucket_name)
                account = await self.store.find_account(canonical_name=NO_NAME if name is None else name)
            elif not await self.may_use(way, account, proofs):
                await attempts.fail(client, subject=earlier.account_id, cause="method may not be used now")
                raise WrongCredentials
            judged = await self._judge(
                await way.prove(account, response, slot=attempt.slot, now=self.clock() // 1000), proofs
            )
            if isinstance(judged, Failed):
                subject = "" if account is None else account.id
                await attempts.fail(client, subject=subject, cause=judged.cause)
                raise WrongCredentials
            if isinstance(judged.outcome, NeedsFactor):
                await attempts.accept(attempt)
            else:
                names = " and ".join(proof.method for proof in judged.proofs)
                await attempts.succeed(attempt, subject=judged.account.id, cause=f"{names} verified")
            return judged

    async def _judge(self, shown: Proved | Failed, proofs: tuple[Proof, ...]) -> Judged | Failed:
        if isinstance(shown, Failed):
            return shown
        together = (*proofs, shown.proof)
        outcome = await self.decide(shown.account, together)
        if isinstance(outcome, Refused):
            return Failed(outcome.cause)
        return Judged(shown.account, together, outcome)

    async def may_use(self, way: LoginMethod, account: Account | None, proofs: tuple[Proof, ...]) -> bool:
        """Whether the next step can be taken by that method."""
        outcome = await self.decide(account, proofs)
        return isinstance(outcome, NeedsFactor) and way.row.name in outcome.methods

    async def _claimed(
        self, earlier: PendingLogin | None, way: LoginMethod, response: Mapping[str, str]
    ) -> tuple[Account | None, str]:
        """The account of a pending login, and the name whose rate limits count."""
        if earlier is None:
            if not way.row.first:
                raise WrongCredentials
            claimed = way.claimed_name(response)
            name = lenient_name(claimed)
            return None, claimed if name is None else name
        account = await self.store.find_account(id=earlier.account_id)
        if account is None or account.epoch != earlier.epoch:  # what was proved may be worth nothing by now (U13)
            raise InvalidPendingLogin("the account has changed since the login began")
        return account, account.canonical_name

    async def decide(self, account: Account | None, proofs: tuple[Proof, ...]) -> Outcome:
        """What these proofs amount to for that account, as it is now."""
        enrolled: set[str] = set()
        if account is not None:
            enrolled = {way.row.name for way in self.methods if way.row.second and await way.is_enrolled(account)}
        return decide_authentication(self.policy, account, proofs, self.clock() // 1000, enrolled=enrolled)

    def find(self, name: str) -> LoginMethod:
        """The method of that name.

        Raises:
            WrongCredentials: there is none.
        """
        way = next((way for way in self.methods if way.row.name == name), None)
        if way is None or self.policy.find(name) is None:
            raise WrongCredentials
        return way
