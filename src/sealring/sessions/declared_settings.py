"""Settings in which the processes of one store must agree, and whether they do. Pure.

The keys of a store sign for one issuer. A process with another one would refuse the tokens of the first, and a refresh
at the wrong one would change whose tokens a session gets. The other settings here may differ, as while a change of them
is rolled out, but seldom should: a process that starts with another one gets a warning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSettings:
    """What one running process of the store is set to."""

    process: str
    """A random name; empty where it does not matter whose settings these are."""
    issuer: str
    previous_issuer: str = ""
    """The issuer that this one takes the place of: processes with it may still run."""
    audience: str
    algorithm: str
    cookie_name: str

    @property
    def anonymous(self) -> DeclaredSettings:
        """The settings alone."""
        return replace(self, process="")


def conflict_of(mine: DeclaredSettings, others: Iterable[DeclaredSettings]) -> DeclaredSettings | None:
    """One of the others that has another issuer, where neither takes the place of the other.

    >>> old = DeclaredSettings(process="a", issuer="https://a", audience="", algorithm="ES256", cookie_name="s")
    >>> new = replace(old, process="b", issuer="https://b")
    >>> conflict_of(new, [old]) is old, conflict_of(replace(new, previous_issuer="https://a"), [old])
    (True, None)
    """
    for other in others:
        if mine.issuer not in {other.issuer, other.previous_issuer} and mine.previous_issuer != other.issuer:
            return other
    return None


def differences(mine: DeclaredSettings, others: Iterable[DeclaredSettings]) -> tuple[tuple[str, str, str], ...]:
    """What others are set to that may differ and seldom should: the name of each setting, our value, theirs."""
    return tuple(
        sorted(
            {
                (name, getattr(mine, name), getattr(other, name))
                for other in others
                for name in ("audience", "algorithm", "cookie_name")
                # an audience left out is the issuer, which is being changed
                if getattr(mine, name) != getattr(other, name) and (name != "audience" or mine.issuer == other.issuer)
            }
        )
    )
