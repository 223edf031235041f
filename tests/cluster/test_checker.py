"""The checker itself: each law with a history that keeps it and one that breaks it by a hair."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.cluster.checker import check, check_remains
from tests.cluster.history import Operation, Remains

S = 5.0
G = 10.0


def op(kind: Any, at: float, outcome: Any = "ok", **facts: Any) -> Operation:
    values: dict[str, Any] = {"node": "a", "subject": "ada", "session": "s"}
    return Operation(kind=kind, start=at, end=at + 0.1, outcome=outcome, **(values | facts))


START = op("start", 0, token="t0", successor="r0")
CHECK = op("check", 1, token="t0")


def laws(*history: Operation) -> list[str]:
    return [violation.law for violation in check(history, staleness=S, retry_window=G)]


def test_an_honest_history_is_accepted() -> None:
    assert laws(START, CHECK, op("refresh", 2, used="r0", successor="r1", token="t1"), op("check", 3, token="t1")) == []


@pytest.mark.parametrize("node", ["a", "b"])
def test_i1_a_dead_token_after_the_bound(node: str) -> None:
    end = op("end", 2)
    assert laws(START, end, replace(CHECK, node=node, start=2.1 + S, end=99)) == ["I1"]
    assert laws(START, end, replace(CHECK, node="b", start=2.09 + S, end=99)) == []
    assert laws(START, replace(end, outcome="unknown"), replace(CHECK, start=50, end=51)) == []
    assert laws(START, replace(end, outcome="unavailable"), replace(CHECK, start=50, end=51)) == []


def test_i1_a_subjects_tokens_after_its_epoch_was_raised() -> None:
    later = replace(CHECK, start=20, end=21)
    for kind in ("end_subject", "stale_subject"):
        assert laws(START, op(kind, 2, session=""), later) == ["I1"]
    minted_meanwhile = op("refresh", 1.95, used="r0", successor="r1", token="t0")
    fresh = replace(START, token="")
    assert laws(fresh, minted_meanwhile, op("stale_subject", 2, session=""), later) == []


def test_i2_on_the_acknowledging_node_at_once() -> None:
    end = op("end", 2, node="b")
    assert laws(START, end, replace(CHECK, node="b", start=2.1, end=3)) == ["I2"]
    assert laws(START, end, replace(CHECK, node="b", start=2.05, end=3)) == []
    assert laws(START, end, replace(CHECK, node="c", start=2.2, end=3)) == []


def test_i3_two_successors_of_one_token_within_the_window() -> None:
    first = op("refresh", 1, used="r0", successor="r1")
    assert laws(START, first, op("refresh", 2, used="r0", successor="r1")) == []
    assert laws(START, first, op("refresh", 2, used="r0", successor="other")) == ["I3"]
    assert laws(START, first, op("refresh", 1 + G, used="r0", successor="other")) == []
    unanswered = op("refresh", 1, "unknown", used="r0")
    assert laws(START, unanswered, replace(first, start=9, end=9.1), op("refresh", 11, used="r0", successor="x")) == []


def test_i4_a_replay_must_be_refused_and_recorded() -> None:
    assert laws(START, op("replay", 3)) == ["I4"]
    replay = op("replay", 3, "refused", code="refresh_reused")
    assert laws(START, replay, replace(CHECK, start=20, end=21)) == ["I1"]
    remains = Remains(sessions={"s": True})
    assert [found.law for found in check_remains([START, replay], remains)] == ["I4"]
    assert check_remains([START, replay], replace(remains, reused=frozenset({"s"}))) == []


def test_i5_nothing_ended_comes_back() -> None:
    end = op("end", 2)
    assert laws(START, end, op("refresh", 2.2, used="r0", successor="r1")) == ["I5"]
    refused = op("check", 3, "refused", token="t0", node="b")
    begun = op("end", 2, "unknown")
    assert laws(START, begun, refused, op("check", 4, token="t0", node="b")) == ["I5"]
    assert laws(START, begun, refused, op("check", 4, token="t0", node="c")) == []
    assert laws(START, begun, refused, op("check", 4 + S, token="t0", node="c")) == ["I5"]


def test_i6_what_was_acknowledged_is_in_the_store() -> None:
    assert [found.law for found in check_remains([START], Remains(sessions={}))] == ["I6"]
    assert [found.law for found in check_remains([START, op("end", 2)], Remains(sessions={"s": False}))] == ["I6"]
    assert check_remains([START, op("end", 2)], Remains(sessions={"s": True})) == []
    assert check_remains([replace(START, outcome="unknown")], Remains(sessions={})) == []


def test_i7_the_old_password_opens_nothing() -> None:
    change = op("change_password", 5, password="old")
    late = op("log_in", 6, password="old", session="late", token="tl")
    assert laws(START, change, late) == ["I7"]
    racing = op("log_in", 5.05, password="old", session="racing", token="tr")
    assert laws(START, change, racing) == []
    assert laws(START, change, racing, op("check", 30, session="racing", token="tr")) == ["I7"]
    assert laws(START, change, racing, op("refresh", 30, session="racing", used="r")) == ["I7"]
    assert laws(START, change, replace(late, password="new"), op("check", 30, session="late", token="tl")) == []
    kept = op("refresh", 30, used="r0", successor="r1")
    assert laws(START, change, kept) == []


def test_i9_a_server_error_is_a_violation() -> None:
    assert laws(op("check", 1, "broken")) == ["I9"]


def test_i12_a_live_session_is_never_refused() -> None:
    refused = replace(CHECK, outcome="refused")
    assert laws(START, refused) == ["I12"]
    assert laws(START, op("refresh", 1, "refused", used="r0")) == ["I12"]
    assert laws(START, replace(CHECK, outcome="unavailable")) == []
    for outcome in ("ok", "unknown", "unavailable"):
        assert laws(START, op("end", 0.5, outcome), refused) == []
    assert laws(START, op("stale_subject", 0.5, "unknown", session=""), refused) == []
    assert laws(START, op("stale_subject", 0.5, session=""), op("refresh", 1, "refused", used="r0")) == ["I12"]
