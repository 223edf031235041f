"""One step of a login, by any method: queued, counted, proved, judged, recorded, and evenly timed.

This is the one place that does so for all methods. Only a complete login empties an account's rate
limits: a right password must not give its owner, or its thief, more tries at the second factor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import NoReturn

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
from sealring.authentication.method import Factor
from sealring.authentication.pending import PendingLogin
from sealring.authentication.proof import Proof
from sealring.errors import InvalidField, InvalidPendingLogin, SealringError, UnknownMethod, WrongCredentials
from sealring.issuer.accounts import MAILBOX, Accounts, canonical_email_of
from sealring.issuer.commit import CommittingStore
from sealring.issuer.login_attempts import LoginAttempt
from sealring.issuer.methods import Failed, LoginMethod, Proved
from sealring.store.records import CredentialUse

EMAIL_CLAIM = "email"
"""Of a method at whose first step the client says an address, and no username."""
USED = "passkey challenge was used"
NO_NAME = ""
"""No account has it: looked up for names that no account can have, so that those take the same steps."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What one step came to."""

    account: Account
    proofs: tuple[Proof, ...]
    outcome: Complete | NeedsFactor
    use: CredentialUse | None = None
    """What the session that starts must write for the proof to count (see `LoginGuard`)."""
    epoch: int | None = None
    """See `Proved.epoch`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """Proves who a client is.

    Args:
        store: where accounts are found.
        accounts: counts attempts.
        policy: rows of the methods, and how many factors are asked.
        methods: what carries out each row.
        clock: Unix milliseconds.

    Raises:
        ValueError: a row has no file, or a file no row: a login by it would fail silently.
    """

    store: CommittingStore
    accounts: Accounts
    policy: AuthenticationPolicy
    methods: Sequence[LoginMethod]
    clock: Callable[[], int]

    def __post_init__(self) -> None:
        rows = [row.name for row in self.policy.methods]
        carried_out = [way.row.name for way in self.methods]
        if sorted(rows) != sorted(carried_out):
            files = ", ".join(carried_out)
            raise ValueError(f"each method needs one row and one file: rows are {', '.join(rows)}; files are {files}")

    async def prove(
        self,
        earlier: PendingLogin | None,
        way: LoginMethod,
        response: Mapping[str, str],
        client: ClientInfo,
        *,
        known: Account | None = None,
        starts_session: bool = False,
    ) -> Judged:
        """Prove one thing, counted, recorded and evenly timed.

        Args:
            earlier: what was proved before; None at a first step.
            way: the method.
            response: what the client presents to it.
            client: where the request came from.
            known: whose session asks, where its user proves again: then the client claims no name. Counted apart:
                who holds a stolen session may not guess at length, and keeps nobody from logging in.
            starts_session: the caller starts a session with `Judged.use` if the login is complete, and only then does
                the proof count and stand in the audit log. Otherwise all is written here.

        Raises:
            WrongCredentials, Throttled, Overloaded: see `LogIn.step`.
        """
        attempts = self.accounts.attempts
        claims = () if earlier or known else way.row.claims
        _check_fields((*claims, *way.row.fields), response, way.row.optional)
        account, bucket_name = await self._claimed(earlier, way, response, client, known)
        purpose = "login" if way.row.costs_hash else f"login by {way.row.name}"
        if known is not None:
            purpose = f"again by {way.row.name}"
        buckets = self.accounts.buckets(purpose, bucket_name, client, rate=way.row.rate)
        proofs = () if earlier is None else earlier.proofs
        async with (
            attempts.attempt(buckets, client, hashes=way.row.costs_hash)
            if way.row.guessable
            else attempts.signature(client)
        ) as attempt:
            if earlier is None and known is None:  # found only now: a flood that is refused asks the store nothing
                account = await self._find_claimed(way, bucket_name) if way.row.claims else None
            elif not await self.may_use(way, account, proofs):
                await self._fail(way, client, account, "method may not be used now")
            shown = await way.prove(
                account, response, slot=attempt.slot, browser=client.browser, now=self.clock() // 1000
            )
            judged = await self._judge(shown, proofs)
            if isinstance(judged, Failed):
                await self._fail(way, client, account, judged.cause, judged.error)
            if starts_session and judged.use is not None and isinstance(judged.outcome, Complete):
                return self._deferred(attempt, judged, judged.use)
            if judged.use is not None and not await self._settle(judged.use):
                await self._fail(way, client, judged.account, USED)
            if isinstance(judged.outcome, NeedsFactor):
                await attempts.accept(attempt)
            else:
                methods = [proof.method for proof in judged.proofs]
                await attempts.succeed(attempt, subject=judged.account.id, methods=methods)
            return judged

    async def begin(
        self,
        earlier: PendingLogin | None,
        way: LoginMethod,
        response: Mapping[str, str],
        client: ClientInfo,
        *,
        known: Account | None = None,
    ) -> Mapping[str, str]:
        """Begin a method, counted and evenly timed: an account that cannot use it gets the answer of one that can.

        Raises:
            WrongCredentials, Throttled: see `LogIn.begin`.
        """
        _check_fields(() if earlier or known else way.row.claims, response)
        account, bucket_name = await self._claimed(earlier, way, response, client, known)
        proofs = earlier.proofs if earlier else ()
        if not way.row.guessable:  # nothing is sent and nothing written: a page may begin each time that it is opened
            if account is not None and not await self.may_use(way, account, proofs):
                await self._fail(way, client, account, "method may not be used now")
            return await way.begin(account, browser=client.browser, now=self.clock() // 1000)
        buckets = self.accounts.buckets(f"begin {way.row.name}", bucket_name, client, rate=way.row.rate)
        async with self.accounts.attempts.beginning(buckets, client):
            if earlier is None and known is None:
                account = await self._find_claimed(way, bucket_name)
                if account is not None and (account.status != "active" or not await way.is_enrolled(account)):
                    account = None
            elif not await self.may_use(way, account, earlier.proofs if earlier else ()):
                await self._fail(way, client, account, "method may not be used now")
            begun = await way.begin(account, browser=client.browser, now=self.clock() // 1000)
            await way.send(account, client)
            return begun

    def _deferred(self, attempt: LoginAttempt, judged: Judged, use: CredentialUse) -> Judged:
        methods = [proof.method for proof in judged.proofs]
        login = self.accounts.attempts.signed(attempt, subject=judged.account.id, methods=methods)
        return replace(judged, use=replace(use, events=(*use.events, login)))

    async def _settle(self, use: CredentialUse) -> bool:
        """Write what the session would; whether this is the first time that it counts."""
        if not await self.store.put_once(use.spent):
            return False
        await self.store.advance_credential(use.before, use.after)
        for event in use.events:
            await self.store.settle_attempt("", event)
        return True

    async def _find_claimed(self, way: LoginMethod, claimed: str) -> Account | None:
        if EMAIL_CLAIM in way.row.claims:
            found = await self.store.find_accounts_by_email(claimed.removeprefix(MAILBOX), limit=1)
            return next((account for account in found if account.email_verified), None)
        name = lenient_name(claimed)
        return await self.store.find_account(canonical_name=NO_NAME if name is None else name)

    async def _fail(
        self,
        way: LoginMethod,
        client: ClientInfo,
        account: Account | None,
        cause: str,
        error: SealringError | None = None,
    ) -> NoReturn:
        subject = "" if account is None else account.id
        await self.accounts.attempts.fail(client, subject=subject, cause=cause, method=way.row.name)
        raise WrongCredentials if error is None else error

    async def _judge(self, shown: Proved | Failed, proofs: tuple[Proof, ...]) -> Judged | Failed:
        if isinstance(shown, Failed):
            return shown
        together = (*proofs, shown.proof)
        outcome = await self.decide(shown.account, together)
        if isinstance(outcome, Refused):
            return Failed(outcome.cause)
        return Judged(shown.account, together, outcome, shown.use, shown.epoch)

    async def may_use(self, way: LoginMethod, account: Account | None, proofs: tuple[Proof, ...]) -> bool:
        """Whether the next step can be taken by that method."""
        outcome = await self.decide(account, proofs)
        return isinstance(outcome, NeedsFactor) and way.row.name in outcome.methods

    async def _claimed(
        self,
        earlier: PendingLogin | None,
        way: LoginMethod,
        response: Mapping[str, str],
        client: ClientInfo,
        known: Account | None,
    ) -> tuple[Account | None, str]:
        """The account of a pending login, and the name whose rate limits count."""
        if earlier is None and known is not None:
            return known, known.canonical_name
        if earlier is None:
            if not way.row.first:
                await self._fail(way, client, None, "method out of order")
            claimed = way.claimed_name(response)
            if EMAIL_CLAIM in way.row.claims:
                return None, f"{MAILBOX}{canonical_email_of(claimed)}"
            name = lenient_name(claimed)
            return None, claimed if name is None else name
        account = await self.store.find_account(id=earlier.account_id)
        if account is None or account.epoch != earlier.epoch:  # what was proved may be worth nothing by now (U13)
            raise InvalidPendingLogin("account changed since the login began", earlier.account_id)
        return account, account.canonical_name

    async def decide(self, account: Account | None, proofs: tuple[Proof, ...]) -> Outcome:
        """What these proofs amount to for that account, as it is now."""
        shown = {kind for proof in proofs for kind in self._factors(proof)}
        # only those are asked for that would add something: after a passkey, none
        seconds = [way for way in self.methods if way.row.second and way.row.factors - shown]
        enrolled = set() if account is None else await _enrolled(seconds, account)
        return decide_authentication(self.policy, account, proofs, self.clock() // 1000, enrolled=enrolled)

    def _factors(self, proof: Proof) -> AbstractSet[Factor]:
        method = self.policy.find(proof.method)
        return frozenset() if method is None else method.factors if proof.factors is None else proof.factors

    async def enrolled(self, account: Account) -> set[str]:
        """Names of the methods that this account can use."""
        return await _enrolled(self.methods, account)

    def find(self, name: str) -> LoginMethod:
        """The method of that name.

        Raises:
            UnknownMethod: there is none.
        """
        way = next((way for way in self.methods if way.row.name == name), None)
        if way is None:
            raise UnknownMethod("no login method has this name")
        return way


def _check_fields(wanted: Sequence[str], response: Mapping[str, str], optional: Sequence[str] = ()) -> None:
    """Check that the client presents what the method's row names, and nothing else.

    Raises:
        InvalidField: what is missing or unknown; the first, and all others in `also`.
    """
    wrong = [InvalidField(f"response.{name}", "field required") for name in wanted if name not in response]
    unknown = [name for name in response if name not in {*wanted, *optional}]
    wrong += [InvalidField(f"response.{name}", "unknown field") for name in unknown]
    if wrong:
        raise InvalidField(wrong[0].field, wrong[0].reason, also=tuple(wrong[1:]))


async def _enrolled(methods: Sequence[LoginMethod], account: Account) -> set[str]:
    names = {way.row.name for way in methods if not way.row.backup and await way.is_enrolled(account)}
    if names:  # what stands in for another factor is not asked for where there is none
        names |= {way.row.name for way in methods if way.row.backup and await way.is_enrolled(account)}
    return names
