"""A policy: everything about a verification except the keys and the time, checked and compiled when it is built.

An unknown option is an error, and so is one of the wrong type: a mistyped policy must not check less. Callers with the
same options share one compiled policy; it holds no key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal, TypedDict

from sealring.jwt.claims import AnyAudience, ClaimRules, ClaimsCheck, Names, checked_flag, claim_rules, compile_claims
from sealring.jwt.compact import MAX_TOKEN_CHARS, checked_max_chars
from sealring.jwt.durations import Duration
from sealring.jwt.selection import allowed_algorithms


class PolicyOptions(TypedDict, total=False):
    """The options of a policy; `verify` and `Verifier` take them alike. All are optional.

    Attributes:
        algorithms: names that are allowed; without it, those of the keys. `"EdDSA"` lets Ed25519 keys check tokens
            under that older name. `"none"` is accepted in the list and allows nothing.
        audience: text, compiled pattern (must match whole) or a list of these, of which `aud` must name one. Without
            it, a token that has an `aud` is refused (RFC 7519 §4.1.3); `ANY` accepts whatever it says.
        issuer: text, pattern or a list of these, one of which `iss` must be. Without it, `iss` is not compared.
        subject: the value of `sub`.
        token_id: the value of `jti`.
        nonce: the value of `nonce`.
        typ: the header's `typ`, `application/` implied, letter case ignored (RFC 8725 §3.11).
        max_age: longest time since `iat`, which must then be there and not in the future; seconds, `"30m"`
            or a timedelta.
        leeway: allowance for clocks that differ, on every date; seconds, text or a timedelta.
        require: claims that must be there and not null.
        ignore_expiration: do not compare `exp`.
        ignore_not_before: do not compare `nbf`.
        integer_dates: dates must be integers from 0 to 2**53 - 1, as RFC 9068 access tokens write them.
        max_lifetime: longest time from `iat` to `exp`, both of which must be there; `iat` not in the future.
        numeric_subject: accept a whole number as `sub`, which RFC 7519 §4.1.2 forbids; the claim stays a number, and
            `subject` is compared with its decimal text.
        padded_base64url: accept parts with the padding that RFC 7515 §2 forbids, as AWS load balancers write it.
        max_chars: how long a token may be, 8192 when left out, 65536 at most.

    >>> from sealring import jwt
    >>> policy: PolicyOptions = {"issuer": "https://auth.example.com", "audience": "orders", "leeway": "5s"}
    >>> verifier = jwt.Verifier(jwt.Key.generate("ES256").public(), **policy)
    """

    algorithms: Collection[str] | None
    audience: Names | Literal[AnyAudience.ANY] | None
    issuer: Names | None
    subject: str | None
    token_id: str | None
    nonce: str | None
    typ: str | None
    max_age: Duration | None
    leeway: Duration
    require: Iterable[str]
    ignore_expiration: bool
    ignore_not_before: bool
    integer_dates: bool
    max_lifetime: Duration | None
    numeric_subject: bool
    padded_base64url: bool
    max_chars: int


@dataclass(frozen=True, slots=True)
class Policy:
    """A compiled policy. `check_claims` returns when claims are valid; `rules` are for `refuse_dates`."""

    algorithms: frozenset[str] | None
    typ: str | None
    rules: ClaimRules
    check_claims: ClaimsCheck
    padded_base64url: bool
    max_chars: int

    def allows_type(self, typ: str) -> bool:
        """Tell whether a token may have this `typ` in its header (empty when it has none)."""
        return self.typ is None or media_type(typ) == self.typ


def compile_policy(options: PolicyOptions, caller: str = "verify", *others: str) -> Policy:
    """Return the compiled policy; raises `TypeError` or `ValueError` for a wrong option.

    The error for an unknown option names `caller`, which takes the options `others` besides.
    """
    frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    try:
        return _compile(**frozen)
    except TypeError:  # an unknown option, a wrong one, or one that has no hash: compile it without the cache
        _require_known(options, caller, others)
        return _compile.__wrapped__(**frozen)


def media_type(typ: str) -> str:
    """Return `typ` in lower case without the optional prefix (RFC 7515 §4.1.9); empty when it is not ASCII."""
    # the lower case of the Kelvin sign is k as well
    return typ.lower().removeprefix("application/") if typ.isascii() else ""


def _require_known(options: Iterable[str], caller: str, others: Iterable[str]) -> None:
    known = [*PolicyOptions.__annotations__, *others]
    for name in options:
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(known)}"
            raise TypeError(f"{caller} has no option {name!r}: {hint}")


@lru_cache(maxsize=256, typed=True)
def _compile(
    *,
    algorithms: Collection[str] | None = None,
    typ: object = None,
    padded_base64url: object = False,
    max_chars: object = MAX_TOKEN_CHARS,
    **options: Any,
) -> Policy:
    if typ is not None and not (isinstance(typ, str) and media_type(typ)):
        raise TypeError("typ must be ASCII text, not empty")
    rules = claim_rules(**options)
    return Policy(
        algorithms=allowed_algorithms(algorithms),
        typ=None if typ is None else media_type(typ),
        rules=rules,
        check_claims=compile_claims(rules),
        padded_base64url=checked_flag("padded_base64url", padded_base64url),
        max_chars=checked_max_chars(max_chars),
    )
