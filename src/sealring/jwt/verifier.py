"""The compiled form for services: keys and a policy, ready for any number of tokens from any number of threads.

A verified token is remembered by its whole text, within one verifier and one set of keys: the keys and the policy that
accepted a token are those under which it is remembered, and `replace_keys` forgets everything. On a hit the dates are
compared again and a key resolver is asked again. The claims that `verify` returns belong to the caller alone.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any, Generic, TypeAlias, TypeVar, Unpack, overload

from sealring.errors import Malformed
from sealring.jwt.dates import Moment, seconds_of
from sealring.jwt.key_set import KeySet
from sealring.jwt.keys import Key
from sealring.jwt.pipeline import Record, VerifyToken, compile_verification
from sealring.jwt.policy import PolicyOptions, compile_policy
from sealring.jwt.selection import Keys, Resolver, as_keys
from sealring.jwt.values import Token, deep_copy

T = TypeVar("T")
# since, until, the result, whether the token's dictionaries are flat, its key, its header
_Entry: TypeAlias = "tuple[float, float, Any, bool, Key, dict[str, Any]]"


class _KeySetCache:
    """What holds for one set of keys: how to verify, and what was verified, in a young and an old half."""

    __slots__ = ("old", "resolve", "verify_token", "young")

    def __init__(self, resolve: Resolver | None, verify_token: VerifyToken[Any]) -> None:
        self.resolve = resolve
        self.verify_token = verify_token
        self.young: dict[str, _Entry] = {}
        self.old: dict[str, _Entry] = {}


class Verifier(Generic[T]):
    """Keys and a policy, ready to verify any number of tokens from any number of threads.

    Args:
        keys: a Key, a KeySet, or a function from the header to a Key, a KeySet or None (called on every verification).
        cache_size: how many verified tokens are remembered; 0 for none.
        project: a function from a verified `Token` to a value of your own, called once per remembered token. `verify`
            returns that value, and all callers share it, so it should be immutable. Without it, `verify` returns a
            Token whose dictionaries belong to the caller.
        options: the policy, see `PolicyOptions`.

    Raises:
        TypeError, ValueError: an option is wrong or unknown.

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("ES256")
    >>> verifier = jwt.Verifier(key.public(), issuer="https://auth.example.com")
    >>> token = jwt.sign({"sub": "42"}, key, issuer="https://auth.example.com", expires_in="30m")
    >>> verifier.verify(token).claims["sub"]
    '42'
    """

    __slots__ = ("_cache", "_half", "_policy", "_project")

    @overload
    def __init__(
        self: Verifier[Token],
        keys: Keys,
        *,
        cache_size: int = 4096,
        project: None = None,
        **options: Unpack[PolicyOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        keys: Keys,
        *,
        cache_size: int = 4096,
        project: Callable[[Token], T],
        **options: Unpack[PolicyOptions],
    ) -> None: ...
    def __init__(
        self,
        keys: Keys,
        *,
        cache_size: int = 4096,
        project: Any = None,
        **options: Unpack[PolicyOptions],
    ) -> None:
        _require_size(cache_size)
        self._policy = compile_policy(options, "Verifier", "cache_size", "project")
        self._half = (cache_size + 1) // 2
        self._project = project
        self.replace_keys(keys)

    @property
    def project(self) -> Callable[[Token], T] | None:
        """The function given as `project`; None where `verify` returns the `Token`."""
        return self._project  # type: ignore[no-any-return]  # T, by the overloads

    def replace_keys(self, keys: Keys) -> None:
        """Verify with these keys from now on, and forget every token that the old ones accepted. Atomic.

        Args:
            keys: as of the constructor.

        >>> from sealring import jwt
        >>> old, new = jwt.Key.generate("ES256", kid="old"), jwt.Key.generate("ES256", kid="new")
        >>> verifier = jwt.Verifier(old.public())
        >>> verifier.replace_keys(jwt.KeySet([old.public(), new.public()]))
        >>> verifier.verify(jwt.sign({"sub": "42"}, new, expires_in="30m")).kid
        'new'
        """
        chosen = as_keys(keys)
        resolve = None if isinstance(chosen, KeySet) else chosen
        verify_token: VerifyToken[Any] = (
            compile_verification(chosen, self._policy, _recorder(self._project))
            if self._half
            else compile_verification(chosen, self._policy)
        )
        self._cache = _KeySetCache(resolve, verify_token)

    def verify(self, token: str, now: Moment | None = None) -> T:
        """Return the verified Token, or what `project` made of it.

        Args:
            token: the compact text.
            now: seconds since 1970, or a datetime with a time zone; the clock when left out.

        Raises:
            TokenError: why the token is refused (RFC 7519 §7.2, RFC 8725).

        >>> from sealring import jwt
        >>> key = jwt.Key.generate("ES256")
        >>> verifier = jwt.Verifier(key.public(), audience="orders", project=lambda token: token.claims["sub"])
        >>> verifier.verify(jwt.sign({"sub": "42"}, key, audience="orders", expires_in="30m"))
        '42'
        """
        if now is None:
            now = time()
        elif type(now) is not float and type(now) is not int:
            now = seconds_of("now", now)
        cache = self._cache
        value: Any
        if self._half == 0:
            verify_token = cache.verify_token
            value = verify_token(token, now)
            return value if self._project is None else self._project(value)  # type: ignore[no-any-return]  # T, by the overloads
        try:
            # a dictionary does not compare in constant time, but it only compares tokens of the same 64-bit SipHash
            # under a key of this process; somebody who finds such a pair has no use for timing
            entry = cache.young.get(token)
        except TypeError:
            raise Malformed("a token must be text") from None
        if entry is None or not entry[0] <= now < entry[1] or cache.resolve is not None:
            entry = self._entry(cache, token, now)
        value = entry[2] if self._project is not None else _own_copy(entry)
        return value  # type: ignore[no-any-return]  # T, by the constructor's overloads

    def _entry(self, cache: _KeySetCache, token: str, now: float) -> _Entry:
        """Verify a token that is not in the young half, is outside its dates, or has a key that must be resolved."""
        entry = cache.young.get(token) or cache.old.get(token)
        if entry is None or not entry[0] <= now < entry[1] or not _key_still_resolves(entry, cache):
            entry = cache.verify_token(token, now)
        self._remember(cache, token, entry)
        return entry

    def _remember(self, cache: _KeySetCache, token: str, entry: _Entry) -> None:
        # two halves instead of an order: a full young half becomes the old one, whose tokens return when they are
        # used. Threads may race here; all that can be lost is something remembered
        if len(cache.young) >= self._half:
            cache.old, cache.young = cache.young, {}
        cache.young[token] = entry


def _recorder(project: Callable[[Token], Any] | None) -> Record[_Entry]:
    def record(since: float, until: float, token: Token, flat: bool, key: Key) -> _Entry:  # noqa: FBT001  # in Record's order
        return since, until, token if project is None else project(token), flat, key, token.header

    return record


def _own_copy(entry: _Entry) -> Token:
    """Return the token with dictionaries that nobody else has."""
    token = entry[2]
    if entry[3]:
        return Token(token.claims.copy(), token.header.copy())
    return Token(deep_copy(token.claims), deep_copy(token.header))


def _key_still_resolves(entry: _Entry, cache: _KeySetCache) -> bool:
    """Tell whether the key that accepted this token is still the one for it, by asking the resolver again."""
    if cache.resolve is None:
        return True
    answer = cache.resolve(deep_copy(entry[5]))
    return entry[4] in answer if isinstance(answer, KeySet) else entry[4] == answer


def _require_size(cache_size: object) -> None:
    if isinstance(cache_size, bool) or not isinstance(cache_size, int) or cache_size < 0:
        raise ValueError("cache_size must be a number of tokens, 0 for none")
