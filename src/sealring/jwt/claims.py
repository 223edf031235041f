"""Checks the claims of a token (RFC 7519 §4.1) against rules that are compiled once.

A claim of the wrong JSON type is refused, never taken for absent (CVE-2026-25537): dates are finite numbers and not
bool, `iss`, `sub` and `jti` are strings, `aud` is a string or a list of strings, even where they are compared with
nothing. Dates become an interval [since, until), so that a remembered token gets the very same check again:
`since <= now < until`. A token is expired at `exp` itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from math import inf, isfinite
from types import UnionType
from typing import Any, Final, Literal, TypeAlias

from sealring.errors import (
    BadClaim,
    Expired,
    MissingClaim,
    NotYetValid,
    TokenError,
    TooOld,
    WrongAudience,
    WrongIssuer,
    WrongNonce,
    WrongSubject,
    WrongTokenId,
)
from sealring.jwt.durations import Duration, named_duration

Claims: TypeAlias = dict[str, Any]
Names: TypeAlias = "str | re.Pattern[str] | Collection[str | re.Pattern[str]]"
ClaimsCheck: TypeAlias = Callable[[Claims], "tuple[float, float]"]

DATE_LIMIT = 2**53  # beyond it doubles skip integers, and JavaScript reads another date than Python
_ABSENT = object()
_EVER = -inf


class AnyAudience(Enum):
    """The type of `ANY`, so that no text can be taken for it."""

    ANY = "any"


ANY: Final = AnyAudience.ANY
"""As `audience=`: accept a token whatever its `aud` says. Without an audience, a token that has one is refused."""


@dataclass(frozen=True, slots=True)
class AllowedValues:
    """The values that a claim may have: these strings, or a whole match of one of these patterns."""

    strings: frozenset[str]
    patterns: tuple[re.Pattern[str], ...]

    def allows(self, name: str) -> bool:
        """Tell whether `name` is one of the values."""
        return name in self.strings or any(pattern.fullmatch(name) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """The rules for claims. Built by `claim_rules`, which checks the options."""

    issuer: AllowedValues | None
    audience: AllowedValues | Literal[AnyAudience.ANY] | None
    subject: str | None
    token_id: str | None
    nonce: str | None
    leeway: float
    max_age: float | None
    max_lifetime: float | None
    require: tuple[str, ...]
    ignore_expiration: bool
    ignore_not_before: bool
    integer_dates: bool
    numeric_subject: bool


def checked_flag(option: str, flag: object) -> bool:
    """Return the option; raises `TypeError` unless it is True or False."""
    if not isinstance(flag, bool):
        raise TypeError(f"{option} must be True or False")
    return flag


def claim_rules(
    *,
    audience: Names | Literal[AnyAudience.ANY] | None = None,
    issuer: Names | None = None,
    subject: str | None = None,
    token_id: str | None = None,
    nonce: str | None = None,
    max_age: Duration | None = None,
    leeway: Duration = 0,
    require: Iterable[str] = ("exp",),
    ignore_expiration: bool = False,
    ignore_not_before: bool = False,
    integer_dates: bool = False,
    max_lifetime: Duration | None = None,
    numeric_subject: bool = False,
) -> ClaimRules:
    """Return the checked options; raises `TypeError` or `ValueError`, which name a wrong one."""
    required = _listed(require, str)
    if required is None:
        raise TypeError("require must be a list of claim names")
    return ClaimRules(
        issuer=_allowed_values("issuer", issuer),
        audience=ANY if audience is ANY else _allowed_values("audience", audience),
        subject=_text("subject", subject),
        token_id=_text("token_id", token_id),
        nonce=_text("nonce", nonce),
        leeway=_span("leeway", leeway),
        max_age=None if max_age is None else _span("max_age", max_age),
        max_lifetime=None if max_lifetime is None else _span("max_lifetime", max_lifetime),
        require=tuple(dict.fromkeys(required)),
        ignore_expiration=checked_flag("ignore_expiration", ignore_expiration),
        ignore_not_before=checked_flag("ignore_not_before", ignore_not_before),
        integer_dates=checked_flag("integer_dates", integer_dates),
        numeric_subject=checked_flag("numeric_subject", numeric_subject),
    )


def compile_claims(rules: ClaimRules) -> ClaimsCheck:
    """Return a function from claims to the interval [since, until) in which they are valid.

    The function raises the `TokenError` of any rule that does not depend on the time. `refuse_dates` returns the
    error for a time outside the interval.
    """
    leeway = rules.leeway
    lowest = -1 if rules.integer_dates else -DATE_LIMIT
    common_iss, common_aud = _common_value(rules.issuer), _common_value(rules.audience)

    def check_any(claims: Claims) -> tuple[float, float]:
        interval = _interval(claims, rules)
        _require_issuer(claims.get("iss", _ABSENT), rules.issuer)
        _require_audience(claims.get("aud", _ABSENT), rules.audience)
        _require_subject(claims, rules)
        _require_text(claims, "jti", rules.token_id, WrongTokenId)
        if rules.nonce is not None:
            _require_text(claims, "nonce", rules.nonce, WrongNonce)
        for name in rules.require:
            if claims.get(name) is None:
                raise MissingClaim(name)
        return interval

    more = frozenset(rules.require) - {"exp", "iat", "sub", "jti"} or None
    longest = None if rules.max_lifetime is None else rules.max_lifetime + leeway

    def check_claims(claims: Claims) -> tuple[float, float]:
        try:  # the usual access token: the same rules at a third of the price
            exp, iat = claims["exp"], claims["iat"]
            if (
                claims.get("iss", _ABSENT) == common_iss
                and claims.get("aud", _ABSENT) == common_aud
                and type(exp) is type(iat) is int
                and lowest < iat < exp < DATE_LIMIT
                and type(claims["sub"]) is type(claims["jti"]) is str
                and "nbf" not in claims
                and (more is None or (more <= claims.keys() and None not in claims.values()))
            ):
                if longest is None:
                    return _EVER, exp + leeway
                if exp - iat <= longest:
                    return iat - leeway, exp + leeway
        except KeyError:
            pass
        return check_any(claims)

    return check_claims if _is_common(rules) else check_any


def refuse_dates(claims: Claims, rules: ClaimRules, now: float) -> TokenError:
    """Return the error that says why claims are not valid at `now`, given that they are not."""
    if not isfinite(now):
        raise ValueError("now must be a finite number of seconds since 1970")
    nbf, exp, leeway = claims.get("nbf"), claims.get("exp"), rules.leeway
    if nbf is not None and not rules.ignore_not_before and now < nbf - leeway:
        return NotYetValid("the token is not valid yet")
    if exp is not None and not rules.ignore_expiration and now >= exp + leeway:
        return Expired("the token has expired")
    if now < claims["iat"] - leeway:  # neither nbf nor exp: max_age or max_lifetime is set, so iat is there
        return NotYetValid("the token was issued in the future")
    return TooOld("the token is older than max_age")


def require_claim_types(claims: Claims) -> None:
    """Raise `BadClaim` unless every registered claim has its JSON type (RFC 7519 §4.1)."""
    for name in ("exp", "nbf", "iat"):
        if name in claims:
            _require_date(name, claims[name], integers=False)
    _require_issuer(claims.get("iss", _ABSENT), None)
    _require_audience(claims.get("aud", _ABSENT), ANY)
    _require_text(claims, "sub", None, WrongSubject)
    _require_text(claims, "jti", None, WrongTokenId)


def _is_common(rules: ClaimRules) -> bool:
    """Tell whether `check_claims` covers every rule of the policy."""
    has_more = rules.subject or rules.token_id or rules.nonce or rules.max_age is not None
    return not has_more and not rules.ignore_expiration


def _interval(claims: Claims, rules: ClaimRules) -> tuple[float, float]:
    for name in ("exp", "nbf", "iat"):
        if name in claims:
            _require_date(name, claims[name], integers=rules.integer_dates)
    since, until, leeway = _EVER, inf, rules.leeway
    if "exp" in claims and not rules.ignore_expiration:
        until = claims["exp"] + leeway
    if "nbf" in claims and not rules.ignore_not_before:
        since = claims["nbf"] - leeway
    if rules.max_age is not None or rules.max_lifetime is not None:
        if "iat" not in claims:
            raise MissingClaim("iat")
        iat = claims["iat"]
        since = max(since, iat - leeway)
        if rules.max_age is not None:
            until = min(until, iat + rules.max_age + leeway)
        if rules.max_lifetime is not None:
            _require_lifetime(claims, rules.max_lifetime + leeway)
    return since, until


def _common_value(allowed: AllowedValues | AnyAudience | None) -> object:
    """Return a value of the claim that is surely allowed: one of the strings, or absence."""
    return next(iter(allowed.strings), object()) if isinstance(allowed, AllowedValues) else _ABSENT


def _require_date(name: str, value: object, *, integers: bool) -> None:
    if integers:
        if type(value) is not int or not 0 <= value < DATE_LIMIT:
            raise BadClaim(name, "an integer number of seconds since 1970")
    elif type(value) not in (int, float) or not -DATE_LIMIT < value < DATE_LIMIT:  # type: ignore[operator]  # a number
        raise BadClaim(name, "a finite number of seconds since 1970")


def _require_lifetime(claims: Claims, most: float) -> None:
    if "exp" not in claims:
        raise MissingClaim("exp")
    if claims["exp"] - claims["iat"] > most:
        raise BadClaim("exp", f"at most {most} seconds after 'iat'")


def _require_issuer(iss: object, allowed: AllowedValues | None) -> None:
    if type(iss) is not str and iss is not _ABSENT:
        raise BadClaim("iss", "a string")
    if allowed is not None and (type(iss) is not str or not allowed.allows(iss)):
        raise WrongIssuer("claim 'iss' is not an accepted issuer")


def _require_audience(aud: object, allowed: AllowedValues | Literal[AnyAudience.ANY] | None) -> None:
    if aud is _ABSENT:
        if isinstance(allowed, AllowedValues):
            raise WrongAudience("claim 'aud' names no accepted audience")
        return
    names = [aud] if type(aud) is str else aud
    if type(names) is not list or not all(type(name) is str for name in names):
        raise BadClaim("aud", "a string or a list of strings")
    if allowed is None:  # RFC 7519 §4.1.3: a reader that does not identify itself with a value must reject
        raise WrongAudience("claim 'aud' is there, and no audience was given to compare it with")
    if allowed is not ANY and not any(map(allowed.allows, names)):
        raise WrongAudience("claim 'aud' names no accepted audience")


def _require_subject(claims: Claims, rules: ClaimRules) -> None:
    value = claims.get("sub", _ABSENT)
    if not rules.numeric_subject or type(value) is not int:
        _require_text(claims, "sub", rules.subject, WrongSubject)
    elif rules.subject is not None and str(value) != rules.subject:
        raise WrongSubject("claim 'sub' does not have the required value")


def _require_text(claims: Claims, name: str, required: str | None, refusal: type[TokenError]) -> None:
    value = claims.get(name, _ABSENT)
    if type(value) is not str and value is not _ABSENT:
        raise BadClaim(name, "a string")
    if required is not None and value != required:
        raise refusal(f"claim {name!r} does not have the required value")


def _allowed_values(option: str, names: Names | None) -> AllowedValues | None:
    if names is None:
        return None
    several = _listed([names] if isinstance(names, str | re.Pattern) else names, str | re.Pattern) or ()
    strings = frozenset(name for name in several if isinstance(name, str))
    patterns = tuple(name for name in several if isinstance(name, re.Pattern) and isinstance(name.pattern, str))
    if not several or "" in strings or len(strings) + len(patterns) < len(set(several)):
        raise TypeError(f"{option} must be text, a compiled pattern, or a list of these")
    return AllowedValues(strings, patterns)


def _listed(values: object, kinds: type | UnionType) -> tuple[Any, ...] | None:
    """Return the members of an option that lists values of these types; None when it does not."""
    several = tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else (None,)
    return several if all(isinstance(value, kinds) for value in several) else None


def _text(option: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise TypeError(f"{option} must be text, not empty")


def _span(option: str, value: Duration) -> float:
    seconds = named_duration(option, value)
    if seconds < 0:
        raise ValueError(f"{option} must not be negative")
    return seconds
