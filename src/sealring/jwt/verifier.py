"""The compiled form of verification: one policy, checked when built, and no option look-ups afterwards.

Order of a verification: size, shape, header, algorithm, key, signature, `typ`, payload, claims, dates.
So errors of the signature come before errors of the claims, and nothing of an unsigned payload is
ever parsed. Only `TokenError` comes out, whatever the token.

What was verified is remembered by the whole token, within one verifier and one generation of
its keys: the policy and the keys that let it in are the ones that it is remembered under, and
`replace_keys` forgets all. A hit asks the dates again, a key resolver again, and `check` again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Generic, TypeAlias, TypedDict, TypeVar, Unpack, overload

from sealring.errors import BadSignature, Malformed, UnknownKey, UnsupportedAlgorithm, WrongType
from sealring.jwt.algorithms import ALGORITHMS
from sealring.jwt.base64url import NotCanonical, decode
from sealring.jwt.claims import Duration, Names, claim_policy, compile_claims, refuse_dates
from sealring.jwt.clock import time
from sealring.jwt.compact import read_claims, read_header, read_payload, split
from sealring.jwt.key_set import KeySet, LoneKey
from sealring.jwt.keys import Key
from sealring.jwt.values import Token

T = TypeVar("T")
Resolver: TypeAlias = Callable[[dict[str, Any]], Key]
Keys: TypeAlias = "Key | KeySet | Resolver"
_Entry: TypeAlias = "tuple[float, float, Any, Key, dict[str, Any]]"  # since, until, result, its key, its header

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

    __slots__ = ("headers", "keys", "old", "young")

    def __init__(self, keys: KeySet | Resolver) -> None:
        self.keys = keys
        self.headers: dict[str, tuple[dict[str, Any], tuple[Key, ...]]] = {}
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
            entry = generation.young.get(token) or generation.old.get(token)
        except TypeError:  # unhashable, so no text
            raise Malformed("a token must be text") from None
        if entry is not None and entry[0] <= now < entry[1] and self._still(entry, generation):
            value: Any = entry[2] if self._project is not None else _fresh_token(entry[2])
            if token not in generation.young:
                self._remember(generation, token, entry)
        else:
            value = self._verify(token, now, generation)
        if self._check is not None:
            self._check(value)
        return value  # type: ignore[no-any-return]  # T, by the constructor's overloads

    def _still(self, entry: _Entry, generation: _Generation) -> bool:
        """Tell whether a key resolver, if that is what the keys are, still answers with the same key."""
        return isinstance(generation.keys, KeySet) or generation.keys(dict(entry[4])) == entry[3]

    def _verify(self, token: str, now: float, generation: _Generation) -> Any:
        if not (isinstance(now, int | float) and now - now == 0):
            raise TypeError("now must be a finite number of seconds since 1970")
        header_text, payload_text, signature, signing_input = split(token)
        known = generation.headers.get(header_text)
        if known is None:
            header = read_header(header_text)
            found = find_keys(header, generation.keys, self._algorithms)
        else:
            header, found = known
        key = check_signature(found, signing_input, signature)
        if known is None:
            self._accept_header(header)
            if isinstance(generation.keys, KeySet) and len(generation.headers) < _HEADERS_KEPT:
                generation.headers[header_text] = (header, found)
        payload = read_payload(payload_text)
        claims = read_claims(payload)
        since, until = self._judge(claims)
        if not since <= now < until:
            raise refuse_dates(claims, self._policy, now)
        value: Any = Token(claims, fresh(header))
        if self._project is not None:
            value = self._project(value)
        if self._cache_half:
            kept = value if self._project is not None else _fresh_token(value)
            self._remember(generation, token, (since, until, kept, key, header))
        return value

    def _accept_header(self, header: dict[str, Any]) -> None:
        if self._typ is not None:
            typ = header.get("typ", "")
            if not typ.isascii() or _media_type(typ) != self._typ:
                raise WrongType("header 'typ' is not the kind of token wanted")
        if "zip" in header or "cty" in header:
            raise Malformed("a header with 'zip' or 'cty' has no claims for a payload")

    def _remember(self, generation: _Generation, token: str, entry: _Entry) -> None:
        # two halves instead of an order: a full young half becomes the old one, whose tokens return when met.
        # Threads may race here; all that can be lost is something remembered
        if len(generation.young) >= self._cache_half:
            generation.old, generation.young = generation.young, {}
        generation.young[token] = entry


def as_keys(keys: Keys) -> KeySet | Resolver:
    """Return what keys are chosen from; `TypeError` for anything but a Key, a KeySet or a resolver."""
    if isinstance(keys, Key):
        return LoneKey(keys)
    if isinstance(keys, KeySet) or (callable(keys) and not isinstance(keys, type)):
        return keys
    raise TypeError("keys must be a Key, a KeySet, or a function from the header to a Key")


def allowed_algorithms(names: Collection[str] | None) -> frozenset[str] | None:
    """Return the algorithms that a caller allows, None for all that the keys are bound to."""
    if names is None:
        return None
    if isinstance(names, str) or not isinstance(names, Collection):
        raise TypeError("algorithms must be a list of names")
    unknown = [name for name in names if name not in ALGORITHMS and name != "none"]
    if unknown:
        raise ValueError(f"algorithms must be among {', '.join(ALGORITHMS)}")
    return frozenset(names) - {"none"}


def find_keys(header: Mapping[str, Any], keys: KeySet | Resolver, allowed: frozenset[str] | None) -> tuple[Key, ...]:
    """Return the keys to try for a token with this header, at least one; raises why there is none.

    A key decides its algorithm; the header has to agree (RFC 8725 §3.1).
    """
    alg, kid = header["alg"], header.get("kid")
    if alg not in ALGORITHMS or (allowed is not None and alg not in allowed):
        raise UnsupportedAlgorithm("header 'alg' is not allowed here")
    algs = frozenset({alg, "Ed25519"} if alg == "EdDSA" and allowed is not None else {alg})
    if not isinstance(keys, KeySet):
        key = keys(fresh(dict(header)))
        if key is None:
            raise UnknownKey("no key of ours answers to this header")
        if not isinstance(key, Key):
            raise TypeError("the key resolver must return a Key")
        found: tuple[Key, ...] = (key,) if key.alg in algs else ()
        ours = found
    else:
        found = keys.candidates(kid, algs)
        ours = () if keys.algorithms.isdisjoint(algs) or (kid is not None and keys.get(kid)) else (*keys,)
    if not found and not ours:
        raise UnsupportedAlgorithm("header 'alg' is not the algorithm of the key")
    if not found:
        raise UnknownKey("no key of ours answers to this header")
    return found


def check_signature(keys: tuple[Key, ...], signing_input: str, signature: str) -> Key:
    """Return the key that the signature fits; raises `BadSignature`, or `Malformed` when it is no base64url."""
    data = signing_input.encode()
    for key in keys:
        if key.check(data, signature):
            return key
    try:
        decode(signature)
    except NotCanonical as error:
        raise Malformed(f"signature: {error}") from None
    raise BadSignature("the signature does not fit")


def fresh(value: Any) -> Any:
    """Return a copy of JSON that shares nothing that can change."""
    if type(value) is dict:
        return {name: fresh(item) for name, item in value.items()}
    if type(value) is list:
        return [fresh(item) for item in value]
    return value


def _fresh_token(token: Token) -> Token:
    return Token(fresh(token.claims), fresh(token.header))


def _media_type(typ: str) -> str:
    """Return `typ` in lower case without the prefix that RFC 7515 §4.1.9 lets one leave out."""
    return typ.lower().removeprefix("application/")
