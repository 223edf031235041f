"""How long a fault was felt, by what clients were answered: pure, from the history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.cluster.failover.faults import Mark
from tests.cluster.history import Operation


@dataclass(frozen=True, slots=True)
class Outage:
    """What one node did not answer while a fault lasted."""

    fault: str
    node: str
    writes: float
    """Seconds without an acknowledged write."""
    checks: float
    """Seconds without an accepted token."""


def longest_silence(moments: Iterable[float], start: float, end: float) -> float:
    """The longest time between two of these moments that began at `start` or later, or was open then.

    Args:
        moments: when something succeeded.
        start: what was silent before that does not count.
        end: the silence is over here at the latest.
    """
    within = [moment for moment in sorted(moments) if start < moment < end]
    return max(later - earlier for earlier, later in zip([start, *within], [*within, end], strict=True))


def outages(history: Sequence[Operation], marks: Sequence[Mark]) -> list[Outage]:
    """What each node did not answer, fault by fault.

    Args:
        history: in any order.
        marks: the faults.
    """
    answered = [operation for operation in history if operation.outcome == "ok"]
    nodes = sorted({operation.node for operation in history})
    found = []
    for mark in marks:
        for node in nodes:
            writes, checks = (
                longest_silence(
                    (use.end for use in answered if use.node == node and (use.kind == "check") is of_checks),
                    mark.start,
                    mark.end,
                )
                for of_checks in (False, True)
            )
            found.append(Outage(mark.fault, node, writes, checks))
    return found
