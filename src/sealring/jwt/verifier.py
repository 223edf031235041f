"""The compiled form of verification: one policy, checked when built, and no option look-ups afterwards.

Order of a verification: size, shape, header, algorithm, key, signature, `typ`, payload, claims, dates.
So errors of the signature come before errors of the claims, and nothing of an unsigned payload is
ever parsed. Only `TokenError` comes out, whatever the token.

What was verified is remembered by the whole token, within one verifier and one generation of
its keys: the policy and the keys that let it in are the ones that it is remembered under, and
`replace_keys` forgets all. A hit asks the dates again, a key resolver again, and `check` again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Generic, TypeAlias, TypedDict, TypeVar, Unpack, overload

from sealring.errors import Malformed, WrongType
from sealring.jwt.claims import ClaimPolicy, Duration, Judge, Names, claim_policy, compile_claims, refuse_dates
from sealring.jwt.clock import time
from sealring.jwt.compact import MAX_TOKEN_CHARS, read_claims, read_header, split
from sealring.jwt.key_set import KeySet
from sealring.jwt.keys import Key
from sealring.jwt.selection import Keys, Resolver, allowed_algorithms, as_keys, check_signature, find_keys
from sealring.jwt.values import Token, fresh

T = TypeVar("T")
_Met: TypeAlias = "tuple[dict[str, Any], bool, tuple[Key, ...]]"  # a header, whether it is flat, the keys to try
_Entry: TypeAlias = "tuple[float, float, Any, bool, Key, dict[str, Any]]"  # since, until, result, flat, key, header

_HEADERS_KEPT = 256  # only headers of verified tokens are kept: an issuer has a handful


class PolicyOptions(TypedDict, total=False):
    """The options of a policy; `verify` and `Verifier` take them alike. All are optional.

    Attributes:
        algorithms: names that are allowed; without it, what the keys are bound to. `"EdDSA"` here lets
            Ed25519 keys check tokens under that older name. `"none"` may stand here and allows nothing.
        audience: text, compiled pattern (must match whole) or a list of these, of which `aud` must name one.
        issuer: the same for `iss`.
        subject: what `sub` must be.
        token_id: what `jti` must be.
        nonce: what `nonce` must be.
        typ: what the header's `typ` must be, `application/` implied, letter case ignored (RFC 8725 §3.11).
        max_age: longest time since `iat`, which must then be there and not in the future; seconds or `"30m"`.
        leeway: allowance for clocks that differ, on every date; seconds or text.
        require: claims that must be there and not null.
        ignore_expiration: do not compare `exp`.
        ignore_not_before: do not compare `nbf`.
        integer_dates: dates must be integers from 0 to 2**53 - 1, as RFC 9068 access tokens write them.
        max_lifetime: longest time from `iat` to `exp`, both of which must be there; `iat` not in the future.
    """

    algorithms: Collection[str] | None
    audience: Names | None
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


class _Generation:
    """What is only true under one set of keys: headers met, and tokens verified, in a young and an old half."""

    __slots__ = ("headers", "keys", "old", "resolve", "young")

    def __init__(self, keys: KeySet | Resolver) -> None:
        self.keys = keys
        self.resolve = None if isinstance(keys, KeySet) else keys
        self.headers: dict[str, _Met] = {}
        self.young: dict[str, _Entry] = {}
        self.old: dict[str, _Entry] = {}


class Verifier(Generic[T]):
    """A policy with its keys, ready to verify any number of tokens from any number of threads.

    Args:
        keys: a Key, a KeySet, or a function from the header to a Key (called on every verification).
        cache_size: how many verified tokens are remembered; 0 for none.
        project: what to make of a verified `Token`, once per remembered token. Its result is what `verify`
            returns, shared between all callers: let it be immutable. Without it, `verify` returns a
            Token with dictionaries of its own each time.
        check: called with the result on every verification, remembered or not, after all else; raises a
            `TokenError` to refuse. This is where revocation is asked.
        options: the policy, see `PolicyOptions`.

    Raises `TypeError` or `ValueError` for an option that is wrong or unknown.

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("ES256")
    >>> verifier = jwt.Verifier(key.public(), issuer="https://auth.example.com")
    >>> token = jwt.sign({"sub": "42"}, key, issuer="https://auth.example.com", expires_in="30m")
    >>> verifier.verify(token).claims["sub"]
    '42'
    """

    __slots__ = ("_algorithms", "_cache_half", "_check", "_generation", "_judge", "_policy", "_project", "_typ")

    @overload
    def __init__(
        self: Verifier[Token],
        keys: Keys,
        *,
        cache_size: int = 4096,
        project: None = None,
        check: Callable[[Token], None] | None = None,
        **options: Unpack[PolicyOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        keys: Keys,
        *,
        cache_size: int = 4096,
        project: Callable[[Token], T],
        check: Callable[[T], None] | None = None,
        **options: Unpack[PolicyOptions],
    ) -> None: ...
    def __init__(
        self,
        keys: Keys,
        *,
        cache_size: int = 4096,
        project: Any = None,
        check: Any = None,
        **options: Unpack[PolicyOptions],
    ) -> None:
        if isinstance(cache_size, bool) or not isinstance(cache_size, int) or cache_size < 0:
            raise ValueError("cache_size must be a number of tokens, 0 for none")
        self._algorithms = allowed_algorithms(options.pop("algorithms", None))
        typ = options.pop("typ", None)
        if typ is not None and not (isinstance(typ, str) and typ and typ.isascii()):
            raise TypeError("typ must be ASCII text, not empty")
        self._typ = None if typ is None else _media_type(typ)
        self._policy = claim_policy(**options)  # type: ignore[misc]  # the two names it lacks are popped
        self._judge = compile_claims(self._policy)
        self._cache_half = (cache_size + 1) // 2
        self._project = project
        self._check = check
        self._generation = _Generation(as_keys(keys))

    def replace_keys(self, keys: Keys) -> None:
        """Go on with other keys, atomically: what the old ones let in is forgotten."""
        self._generation = _Generation(as_keys(keys))

    def verify(self, token: str, now: float | None = None) -> T:
        """Return what `token` says, as a Token or as `project` made it; raises a `TokenError`.

        `now` is seconds since 1970; the clock when left out.
        """
        if now is None:
            now = time()
        generation = self._generation
        try:
            # A dictionary compares text in no constant time, yet only with a token of the same 64-bit SipHash
            # under a key of this process: who can find such a pair has no use for timing.
            entry = generation.young.get(token)
        except TypeError:
            raise Malformed("a token must be text") from None
        if entry is None and generation.old:
            entry = self._recall(generation, token)
        if (
            entry is not None
            and entry[0] <= now < entry[1]
            and (generation.resolve is None or _still(entry, generation))
        ):
            value = entry[2]
            if self._project is None:
                value = Token(value.claims.copy(), value.header.copy()) if entry[3] else _copy(value)
        else:
            value = self._verify(token, now, generation)
        if self._check is not None:
            self._check(value)
        return value  # type: ignore[no-any-return]  # T, by the constructor's overloads

    def _verify(self, token: str, now: float, generation: _Generation) -> Any:
        if now - now != 0:
            raise ValueError("now must be a finite number of seconds since 1970")
        if type(token) is not str or len(token) > MAX_TOKEN_CHARS or not token.isascii():
            split(token)
        signing_input, _, signature = token.rpartition(".")
        header_text, _, payload_text = signing_input.partition(".")
        met = generation.headers.get(header_text)
        if met is None:
            met = self._meet(token, generation)
        header, flat_header, keys = met
        key = check_signature(keys, signing_input, signature)
        if header_text not in generation.headers:
            self._accept(header)
            if generation.resolve is None and len(generation.headers) < _HEADERS_KEPT:
                generation.headers[header_text] = met
        claims, flat = read_claims(payload_text)
        since, until = self._judge(claims)
        if not since <= now < until:
            raise refuse_dates(claims, self._policy, now)
        flat = flat and flat_header
        value: Any = Token(claims, header.copy() if flat_header else fresh(header))
        kept: Any
        if self._project is not None:
            value = kept = self._project(value)
        elif self._cache_half:
            kept = Token(claims.copy() if flat else fresh(claims), header)
        if self._cache_half:
            self._remember(generation, token, (since, until, kept, flat, key, header))
        return value

    def _meet(self, token: str, generation: _Generation) -> _Met:
        """Read a header for the first time."""
        header_text, _, _, _ = split(token)
        header, flat = read_header(header_text)
        return header, flat, find_keys(header, generation.keys, self._algorithms)

    def _accept(self, header: dict[str, Any]) -> None:
        """Judge the header of a token whose signature is good."""
        if self._typ is not None and _media_type(header.get("typ", "")) != self._typ:
            raise WrongType("header 'typ' is not the kind of token wanted")
        if "zip" in header or "cty" in header:
            raise Malformed("a header with 'zip' or 'cty' has no claims for a payload")

    def _remember(self, generation: _Generation, token: str, entry: _Entry) -> None:
        # two halves instead of an order: a full young half becomes the old one, whose tokens return when met.
        # threads may race here; all that can be lost is something remembered
        if len(generation.young) >= self._cache_half:
            generation.old, generation.young = generation.young, {}
        generation.young[token] = entry

    def _recall(self, generation: _Generation, token: str) -> _Entry | None:
        entry = generation.old.get(token)
        if entry is not None:
            self._remember(generation, token, entry)
        return entry


def _still(entry: _Entry, generation: _Generation) -> bool:
    """Tell whether a key resolver answers with the key that let this token in."""
    return generation.resolve is not None and generation.resolve(fresh(entry[5])) == entry[4]


def _copy(token: Token) -> Token:
    return Token(fresh(token.claims), fresh(token.header))


def _media_type(typ: str) -> str:
    """Return `typ` in lower case without the prefix that RFC 7515 §4.1.9 lets one leave out."""
    # ASCII only: the Kelvin sign, too, has k for its lower case
    return typ.lower().removeprefix("application/") if typ.isascii() else ""
