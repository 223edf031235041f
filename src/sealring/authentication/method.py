"""The ways to prove who one is, as one table.

A row says all that the rest of the code must know of a method before it runs: what kind of factor it
is, at which step it may be used, and what it costs. How it is carried out is one file in
`sealring.issuer.methods`. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sealring.rate_limits.rate import RateLimit

Factor = Literal["knowledge", "possession", "inherence"]
"""Something one knows, has or is (NIST SP 800-63-4). Two proofs of one kind are still one factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way to prove who one is."""

    name: str
    """Stands in paths (`/login/{name}`), in pending logins and in the audit log: lower-case letters and hyphens."""
    amr: frozenset[str]
    """The values of RFC 8176 §2 that a proof by this method may claim."""
    factors: frozenset[Factor]
    """What one proof shows; a passkey that verifies its user shows two kinds at once."""
    first: bool
    """Whether a login may begin with it."""
    second: bool
    """Whether it may follow another method. Then the account is known already."""
    claims: tuple[str, ...]
    """Names of what the client presents at a first step to say whose account it is: when it begins the method, and
    again with the proof. Empty where the proof itself names the account."""
    fields: tuple[str, ...]
    """Names of what the client presents as the proof."""
    optional: tuple[str, ...] = ()
    """Names of what it may present besides."""
    phishing_resistant: bool
    """Whether a page of somebody else's can learn nothing from it that it could use with us."""
    costs_hash: bool
    """Whether each attempt costs an Argon2 hash, so that it waits in the bounded queue for hashing (I14)."""
    single_use: bool
    """Whether proving uses up what was presented. If not, it can be proved once more (see `LogIn`)."""
    guessable: bool = True
    """Whether somebody who tries often enough can succeed by chance: then each account counts its failures. A signature
    cannot be guessed: only the address counts, and what it answers counts once."""
    backup: bool = False
    """Whether it only stands in for another second factor, and so is none where there is no other."""
    enrolls: bool = False
    """Whether an account that has no second factor can enroll this one in the course of a login."""
    rate: RateLimit | None
    """Failures per account; none for the rate that `SEALRING_THROTTLE_ACCOUNT` says. Few possible values need few
    tries: six digits and 10 tries in 5 minutes are guessed within a year."""

    def __post_init__(self) -> None:
        if not self.name.isascii() or not self.name.replace("-", "").isalpha() or self.name != self.name.lower():
            raise ValueError("name must be lower-case letters and hyphens")
        if not self.amr or not self.factors or not (self.first or self.second):
            raise ValueError("a method needs an amr value, a factor, and a step at which it may be used")
        if self.first and not self.claims and self.guessable:  # all its attempts would be counted as one account's
            raise ValueError("a method that begins a login without a claim must say guessable=False")


PASSWORD: Final = Method(
    name="password",
    amr=frozenset({"pwd"}),
    factors=frozenset({"knowledge"}),
    first=True,
    second=False,
    claims=("username",),
    fields=("password",),
    phishing_resistant=False,
    costs_hash=True,
    single_use=False,
    rate=None,
)

OIDC: Final = Method(
    name="oidc",
    amr=frozenset({"fed"}),  # RFC 8176 has no word for another party's word; Entra ID writes this one
    factors=frozenset({"knowledge"}),  # at worst a password there: a second factor here is still asked for
    first=True,
    second=False,
    claims=(),
    fields=("provider", "state", "code", "iss"),
    phishing_resistant=False,
    costs_hash=False,
    single_use=True,
    guessable=False,
    rate=None,
)

PASSKEY: Final = Method(
    name="passkey",
    amr=frozenset({"pop"}),  # RFC 8176 §2: whether a key is in hardware ("hwk") only attestation would say
    factors=frozenset({"possession", "inherence"}),  # the second by its PIN or biometric: see `Proof.factors`
    first=True,
    second=True,
    claims=(),
    fields=("credential",),
    phishing_resistant=True,
    costs_hash=False,
    single_use=True,
    guessable=False,
    rate=None,
)

EMAIL: Final = Method(
    name="email",
    amr=frozenset({"otp"}),
    factors=frozenset({"possession"}),
    first=True,
    second=False,  # NIST SP 800-63B-4 §3.1.3: mail is no out-of-band authenticator
    claims=("email",),
    fields=("code",),
    phishing_resistant=False,
    costs_hash=False,
    single_use=True,
    rate=RateLimit(5, 300),
)

TOTP: Final = Method(
    name="totp",
    amr=frozenset({"otp"}),
    factors=frozenset({"possession"}),
    first=False,
    second=True,
    claims=(),
    fields=("code",),
    optional=("enrollment",),
    phishing_resistant=False,
    costs_hash=False,
    single_use=True,
    enrolls=True,
    # three codes of a million are good at any moment: at this rate, half of the accounts whose password is known last
    # for five years, and the audit log shows the tries
    rate=RateLimit(5, 3600),
)

RECOVERY_CODE: Final = Method(
    name="recovery-code",
    amr=frozenset({"otp"}),
    factors=frozenset({"possession"}),
    first=False,
    second=True,
    claims=(),
    fields=("code",),
    phishing_resistant=False,
    costs_hash=False,
    single_use=True,
    backup=True,
    rate=RateLimit(10, 3600),
)

METHODS: Final[tuple[Method, ...]] = (PASSWORD, PASSKEY, OIDC, EMAIL, TOTP, RECOVERY_CODE)
"""One row per method, in the order in which they are offered. Settings say which of them are in use."""
