"""JSON that nobody can change, for values that several callers share.

A verified token is kept and given to every request that brings it again, so code that could write into its
claims would write into other users' requests (design D3). Objects become `FrozenDict`, arrays become tuples. A
`FrozenDict` is a `dict`, because encoders know that type: json, msgspec, pydantic and FastAPI write it as a plain
object, and it can be hashed, copied and pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn


class FrozenDict(dict[str, Any]):
    """A JSON object that refuses to change. `dict(it)` gives a copy that can be changed at its first level.

    >>> freeze({"a": [1, {"b": 2}]})["a"]
    (1, {'b': 2})
    """

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("claims are read-only; change a copy, dict(claims)")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        """Equal objects have equal hashes, whatever the order of their members."""
        return hash(frozenset(self.items()))

    def __copy__(self) -> FrozenDict:
        """What cannot change needs no copy."""
        return self

    def __deepcopy__(self, _: object) -> FrozenDict:
        """What cannot change needs no copy."""
        return self

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[dict[str, Any]]]:
        """Pickled as a plain object and frozen again."""
        return freeze, (dict(self),)


_SCALARS = frozenset({str, int, float, bool, type(None)})


def freeze(value: Any) -> Any:
    """Return the same JSON value, read-only all the way down."""
    kind = type(value)
    if kind in _SCALARS or kind is FrozenDict:
        return value
    if isinstance(value, Mapping):
        frozen = FrozenDict(value)
        for name, member in frozen.items():
            if type(member) not in _SCALARS:
                dict.__setitem__(frozen, name, freeze(member))  # still ours alone
        return frozen
    return tuple(map(freeze, value)) if isinstance(value, list | tuple) else value
