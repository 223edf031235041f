"""How long a fault was felt: the measure itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.failover.faults import Mark
from tests.cluster.failover.outages import Outage, longest_silence, outages
from tests.cluster.history import Operation


def op(kind: Any, at: float, outcome: Any = "ok", node: str = "x") -> Operation:
    return Operation(kind=kind, node=node, start=at - 0.1, end=at, outcome=outcome)


@pytest.mark.parametrize(
    ("moments", "silence"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 1),
        ([3, 9, 2], 6),
        ([], 8),
        ([1, 11], 8),  # what is silent before the fault and after it does not count
        ([4], 6),
    ],
)
def test_the_longest_silence_lies_within_the_fault(moments: list[float], silence: float) -> None:
    assert longest_silence(moments, 2, 10) == silence


def test_each_fault_is_measured_on_each_node_by_what_succeeded_there() -> None:
    history = [
        *(op("check", at / 2) for at in range(40)),
        op("start", 3),
        op("refresh", 8, "unavailable"),
        op("refresh", 9),
        op("start", 4, node="y"),
        op("check", 9, "refused", node="y"),
    ]
    marks = [Mark("kill", 2, 10, ("a", "b")), Mark("cut", 10, 14, ("b", "c"))]
    assert outages(history, marks) == [
        Outage("kill", "x", 6, 0.5),
        Outage("kill", "y", 6, 8),
        Outage("cut", "x", 4, 0.5),
        Outage("cut", "y", 4, 4),
    ]
