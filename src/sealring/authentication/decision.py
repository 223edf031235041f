"""What proofs amount to: a complete login, one more factor, or nothing, as one table (design D21).

Pure: (policy, account, proofs, now) gives an `Outcome`. First come the reasons to refuse, then the
number of factors that the proofs show against the number that the policy asks of this account. Two
proofs of one kind of factor count once: two passwords are no second factor (NIST SP 800-63-4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal, assert_never

from sealring.accounts.account import Account
from sealring.authentication.method import METHODS, Factor, Method
from sealring.authentication.proof import Proof

PROOF_SECONDS: Final = 300
"""How long a proof counts: long enough to fetch a phone, too short to be of use to the next person at the desk."""

Acr = Literal["sfa", "mfa", "phr"]
"""Authentication context class (OpenID Connect Core §2), rising: one factor; two; two, of which one cannot be phished
(`phr` is the word of OpenID Connect Extended Authentication Profile ACR Values 1.0)."""

MFA_AMR: Final = "mfa"
"""RFC 8176 §2: more than one factor was shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationPolicy:
    """Which methods there are, and how many factors a login needs.

    Args:
        methods: rows of the table; a method that is not among them proves nothing.
        mfa: `off` asks nobody for a second factor, `optional` asks accounts that have one, `required` all.

    Raises:
        ValueError: two methods have one name, or none can begin a login.
    """

    methods: tuple[Method, ...] = METHODS
    mfa: Literal["off", "optional", "required"] = "optional"

    def __post_init__(self) -> None:
        names = [method.name for method in self.methods]
        if len(set(names)) != len(names):
            raise ValueError("methods must have names of their own")
        if not any(method.first for method in self.methods):
            raise ValueError("methods must hold one that can begin a login")

    def find(self, name: str) -> Method | None:
        """The row of that name; None when there is none."""
        return next((method for method in self.methods if method.name == name), None)


@dataclass(frozen=True, slots=True)
class Complete:
    """The login is complete: a session may start, if the account's epoch has not moved."""

    amr: tuple[str, ...]
    acr: Acr
    auth_time: int
    """Unix seconds of the oldest proof: nothing that the login rests on is older (OpenID Connect Core §2)."""


@dataclass(frozen=True, slots=True)
class NeedsFactor:
    """One more proof is needed, by one of these methods."""

    methods: tuple[str, ...]


RefusedCause = Literal[
    "unknown account",
    "account is disabled",
    "proof of another account",
    "unknown method",
    "method out of order",
    "proof is too old",
    "no second factor",
    "first proof shows too little",
]
"""For the audit log; a client gets one answer for all of them (I11)."""


@dataclass(frozen=True, slots=True)
class Refused:
    """These proofs log nobody in."""

    cause: RefusedCause


Outcome = Complete | NeedsFactor | Refused

FactorsShown = Literal["no factor", "one factor", "two factors"]
FactorsWanted = Literal["one factor", "two factors"]
Step = Literal["ask for a first", "ask for a second", "complete"]

TABLE: Final[Mapping[tuple[FactorsShown, FactorsWanted], Step]] = MappingProxyType(
    {
        ("no factor", "one factor"): "ask for a first",
        ("no factor", "two factors"): "ask for a first",
        ("one factor", "one factor"): "complete",
        ("one factor", "two factors"): "ask for a second",
        ("two factors", "one factor"): "complete",
        ("two factors", "two factors"): "complete",
    }
)


def decide_authentication(
    policy: AuthenticationPolicy,
    account: Account | None,
    proofs: Sequence[Proof],
    now: int,
    *,
    enrolled: AbstractSet[str] = frozenset(),
) -> Outcome:
    """Decide what the proofs of one login amount to.

    Args:
        policy: methods, and how many factors are asked.
        account: the account as it is now; None when it is gone.
        proofs: in the order in which they were given.
        now: Unix seconds.
        enrolled: names of the methods that this account can use as a second step.
    """
    cause = _objection(policy, account, proofs, now)
    if cause is not None:
        return Refused(cause)
    used = [_shown(method, proof) for proof in proofs if (method := policy.find(proof.method)) is not None]
    return _weigh(policy, proofs, used, enrolled)


def factors_shown(methods: Sequence[Method]) -> FactorsShown:
    """How many different kinds of factors proofs by these methods show; more than two count as two."""
    kinds = _kinds(methods)
    if not kinds:
        return "no factor"
    return "one factor" if len(kinds) == 1 else "two factors"


def second_methods(
    policy: AuthenticationPolicy, used: Sequence[Method], enrolled: AbstractSet[str]
) -> tuple[Method, ...]:
    """The methods of this account that would add another kind of factor to those already shown."""
    kinds, names = _kinds(used), {method.name for method in used}
    found = tuple(
        method
        for method in policy.methods
        # a passkey that was only touched does not get better by another touch
        if method.second and method.name in enrolled - names and method.factors - kinds
    )
    return () if all(method.backup for method in found) else found


def _enrollable(policy: AuthenticationPolicy, used: Sequence[Method]) -> tuple[Method, ...]:
    """The methods that an account without a second factor can enroll in the course of a login, where two are asked."""
    kinds = _kinds(used)
    return tuple(method for method in policy.methods if method.enrolls and method.factors - kinds)


def _objection(
    policy: AuthenticationPolicy, account: Account | None, proofs: Sequence[Proof], now: int
) -> RefusedCause | None:
    if account is None:
        return "unknown account"
    if account.status != "active":
        return "account is disabled"
    objections = (_objection_to(proof, place, policy, account, now) for place, proof in enumerate(proofs))
    return next((cause for cause in objections if cause is not None), None)


def _objection_to(
    proof: Proof, place: int, policy: AuthenticationPolicy, account: Account, now: int
) -> RefusedCause | None:
    method = policy.find(proof.method)
    if proof.account_id != account.id:
        return "proof of another account"
    if method is None:
        return "unknown method"
    if not (method.second if place else method.first):
        return "method out of order"
    if not place and proof.factors is not None and method.factors - proof.factors:  # a touch alone begins nothing
        return "first proof shows too little"
    # on both sides, as nodes' clocks differ: a proof from far ahead is as wrong as one from long ago
    return "proof is too old" if abs(now - proof.at) >= PROOF_SECONDS else None


def _shown(method: Method, proof: Proof) -> Method:
    """The method with the factors that this proof by it shows."""
    return method if proof.factors is None else replace(method, factors=method.factors & proof.factors)


def _weigh(
    policy: AuthenticationPolicy, proofs: Sequence[Proof], used: Sequence[Method], enrolled: AbstractSet[str]
) -> Outcome:
    seconds = () if policy.mfa == "off" else second_methods(policy, used, enrolled)
    wanted: FactorsWanted = "two factors" if seconds or policy.mfa == "required" else "one factor"
    step = TABLE[factors_shown(used), wanted]
    match step:
        case "ask for a first":
            return NeedsFactor(tuple(method.name for method in policy.methods if method.first))
        case "ask for a second":
            offered = seconds or _enrollable(policy, used)
            return NeedsFactor(tuple(method.name for method in offered)) if offered else Refused("no second factor")
        case "complete":
            return _complete(proofs, used)
    assert_never(step)


def _complete(proofs: Sequence[Proof], used: Sequence[Method]) -> Complete:
    amr = [value for proof in proofs for value in proof.amr]
    acr: Acr = "sfa"
    if factors_shown(used) == "two factors":
        amr.append(MFA_AMR)
        acr = "phr" if any(method.phishing_resistant for method in used) else "mfa"
    return Complete(tuple(dict.fromkeys(amr)), acr, min(proof.at for proof in proofs))


def _kinds(methods: Sequence[Method]) -> frozenset[Factor]:
    return frozenset(kind for method in methods for kind in method.factors)
