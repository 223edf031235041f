"""The promises of design D5, over the pure machine and over each store; and proof that the machine finds faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from operator import methodcaller as call

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from sealring.sessions.refresh import (
    Decision,
    Ended,
    LimitReached,
    Mint,
    Repeat,
    Reused,
    Superseded,
    decide_refresh,
    relation_of,
)
from sealring.sessions.refresh_token import RefreshToken
from sealring.sessions.session import Session
from tests.properties.drivers import Driver, PureDriver, World, memory_driver, postgres_driver, sqlite_driver
from tests.properties.refresh_machine import G_MS, BrokenPromiseError, RefreshMachine

STEPS = 40


@pytest.fixture(params=["pure", "memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def make_driver(request: pytest.FixtureRequest) -> Callable[[World], Driver]:
    match request.param:
        case "pure":
            return PureDriver
        case "memory":
            return memory_driver
        case "sqlite":
            return sqlite_driver
    return postgres_driver(request.getfixturevalue("postgres_dsn"))


def machine_over(make: Callable[[World], Driver]) -> type[RefreshMachine]:
    return type("MachineOverDriver", (RefreshMachine,), {"make_driver": staticmethod(make)})


def run(make: Callable[[World], Driver], *, steps: int) -> None:
    chosen = settings(
        max_examples=steps // STEPS,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine_over(make), settings=chosen)


def test_promises_hold(make_driver: Callable[[World], Driver]) -> None:
    run(make_driver, steps=2_000 if make_driver in {PureDriver, memory_driver} else 800)


@pytest.mark.slow
def test_promises_hold_for_long(make_driver: Callable[[World], Driver]) -> None:
    run(make_driver, steps=100_000)


# Planted faults: each was somebody's published design or bug. If the machine no longer finds one, it proves nothing.


def deterministic_child(session: Session, token: RefreshToken, *, now_ms: int, retry_window_ms: int) -> Decision:
    """A parent has one child for ever: whoever holds a copy is handed the same, and stays in step unseen."""
    decision = decide_refresh(session, token, now_ms=now_ms, retry_window_ms=retry_window_ms)
    if isinstance(decision, Mint) and relation_of(token, session) == "confirmed" and session.child_minted_ms:
        return Repeat(replace(decision.child, minted_ms=session.child_minted_ms))
    return decision


def displaced_sibling(session: Session, token: RefreshToken, *, now_ms: int, retry_window_ms: int) -> Decision:
    """Each asking mints anew and only the last child counts: two tabs whose answers cross are logged out."""
    decision = decide_refresh(session, token, now_ms=now_ms, retry_window_ms=retry_window_ms)
    is_child = isinstance(decision, Mint) and relation_of(token, session) == "child"
    if is_child and token.minted_ms != session.child_minted_ms:
        return Reused()
    if isinstance(decision, Repeat):
        return decide_refresh(session, token, now_ms=now_ms, retry_window_ms=0)
    return decision


def no_window(session: Session, token: RefreshToken, *, now_ms: int, retry_window_ms: int) -> Decision:
    """What promises a window and has none: tabs that ask at once are given siblings, and one of them is logged out."""
    del retry_window_ms
    return decide_refresh(session, token, now_ms=now_ms, retry_window_ms=0)


def unforgiving(session: Session, token: RefreshToken, *, now_ms: int, retry_window_ms: int) -> Decision:
    """A request in flight that lost its race is taken for theft."""
    decision = decide_refresh(session, token, now_ms=now_ms, retry_window_ms=retry_window_ms)
    return Reused() if isinstance(decision, Superseded) else decision


def forgetful(session: Session, token: RefreshToken, *, now_ms: int, retry_window_ms: int) -> Decision:
    """A limit is looked at and not written down: the clock is set back, and the session lives again."""
    decision = decide_refresh(session, token, now_ms=now_ms, retry_window_ms=retry_window_ms)
    return Ended() if isinstance(decision, LimitReached) else decision


def write_unchecked(rows: dict[str, Session], before: Session, after: Session) -> bool:
    """Check, then write: what another request did in between is overwritten."""
    rows[before.id] = after
    return before.id == after.id


Steps = tuple[call, ...]
"""Rules with their arguments, one after the other."""

ALIVE: Steps = (call("log_in_first", G_MS, "crossing"), call("tab_asks"))
LATE: Steps = (
    *ALIVE,
    call("tab_refreshes", 0),
    call("tab_refreshes", 0),
    call("node_answers", 0, 0),
)
"""A request arrives when another tab's has been answered, and that answer's token has been used."""

FAULTS: dict[str, tuple[Callable[[World], Driver], str, Steps]] = {
    "deterministic child": (
        lambda world: PureDriver(world, decide=deterministic_child),
        "b",
        (
            call("log_in_first", G_MS, "wild"),
            call("tab_asks"),
            call("tab_refreshes", 0),
            call("time_passes", G_MS + 1),
            call("node_answers", 0, 0),
        ),
    ),
    "displaced sibling": (
        lambda world: PureDriver(world, decide=displaced_sibling),
        "a",
        (
            *ALIVE,
            call("tab_asks"),
            call("node_answers", 0, 0),
            call("time_passes", 1),
            call("node_answers", 1, 0),
            call("exchange_goes_on", 1, 0),
            call("exchange_goes_on", 0, 0),
            call("tab_refreshes", 0),
        ),
    ),
    "no window": (lambda world: PureDriver(world, decide=no_window), "a", LATE),
    "unforgiving": (lambda world: PureDriver(world, decide=unforgiving), "a", LATE),
    "forgetful of limits": (
        lambda world: PureDriver(world, decide=forgetful),
        "d",
        (
            call("log_in_first", G_MS, "wild"),
            call("every_clock_is_wrong_for_a_moment", 0, ahead=True, rarely=0),
            call("tab_refreshes", 0),
        ),
    ),
    "check, then write": (
        lambda world: PureDriver(world, swap=write_unchecked),
        "abcd",
        (
            *ALIVE,
            call("exchange_goes_on", 0, 0),
            call("tab_refreshes", 0),
            call("tab_refreshes", 0),
            call("exchange_goes_on", 0, 0),
        ),
    ),
}
"""By name: the driver with the fault, the promises that it breaks, and a short way on which the machine must see it."""
SOUGHT_AT_LENGTH = ("unforgiving", "check, then write")
"""What takes the machine more than a moment to find without being shown the way."""


def go(make: Callable[[World], Driver], steps: Steps) -> None:
    """Take these steps, as Hypothesis would, and look after each."""
    machine = machine_over(make)()
    try:
        for step in steps:
            step(machine)
            machine.honest_jar_is_alive_when_all_is_quiet()
            machine.ended_stays_ended()
            machine.one_row_a_session()
    finally:
        machine.teardown()


def test_a_request_that_loses_its_swap_a_day_later_is_answered() -> None:
    """What it declared of the life of its access token has run out by then (design D19)."""
    begun = (call("log_in_first", G_MS, "wild"), call("tab_asks"), call("exchange_goes_on", 0, 0))
    late = (call("tab_refreshes", 0), call("something_rare_happens", "day", 0), call("network_loses", 0))
    go(memory_driver, (*begun, *late))


@pytest.mark.parametrize("fault", FAULTS)
def test_machine_sees_a_planted_fault(fault: str) -> None:
    plant, promises, steps = FAULTS[fault]
    go(PureDriver, steps)
    with pytest.raises(BrokenPromiseError) as broken:
        go(plant, steps)
    assert str(broken.value)[1] in promises


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=pytest.mark.slow) if name in SOUGHT_AT_LENGTH else name for name in FAULTS]
)
def test_machine_finds_a_planted_fault_by_itself(fault: str) -> None:
    plant, promises, _ = FAULTS[fault]
    with pytest.raises(BrokenPromiseError) as broken:
        run_state_machine_as_test(
            machine_over(plant),
            settings=settings(
                max_examples=1_000,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert str(broken.value)[1] in promises
