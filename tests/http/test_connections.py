"""Who loses a place when all are taken, and how many places there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sealring.http.connections import ConnectionLimits, choose_evictions, places_within

WAITING = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=30)


def test_the_network_that_holds_most_loses_its_oldest() -> None:
    waiting = [("honest", 1.0), ("attacker", 3.0), ("attacker", 2.0), ("attacker", 4.0)]
    assert choose_evictions(waiting, 1) == [2]
    assert choose_evictions(waiting, 2) == [2, 1]
    assert choose_evictions([("proxy", 5.0), ("proxy", 1.0)], 1) == [1]


@given(WAITING, st.integers(0, 40))
def test_as_many_as_asked_for_each_once(waiting: list[tuple[str, float]], count: int) -> None:
    chosen = choose_evictions(waiting, count)
    assert len(set(chosen)) == len(chosen) == min(count, len(waiting))
    left = [network for index, (network, _) in enumerate(waiting) if index not in chosen]
    taken = [waiting[index][0] for index in chosen]
    for network in set(taken):  # nobody who lost a place has fewer left than others, but for one
        assert left.count(network) >= max((left.count(other) for other in set(left)), default=0) - 1


def test_places_stay_below_the_file_limit() -> None:
    limits = ConnectionLimits(most=1_000)
    for file_limit in range(200, 70_000, 97):
        places = places_within(limits, file_limit=file_limit, backlog=512)
        assert places <= limits.most
        assert places + min(512, file_limit // 2) + 64 <= max(file_limit, 80 + file_limit // 2)
    assert places_within(limits, file_limit=20, backlog=2_048) == 16
