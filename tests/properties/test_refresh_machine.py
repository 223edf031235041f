"""The promises of design D5, over the pure machine and over each store; and proof that the machine finds faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
from tests.properties.refresh_machine import BrokenPromiseError, RefreshMachine

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
    run(make_driver, steps=2_000)


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


@pytest.mark.parametrize(
    ("plant", "promises"),
    [
        pytest.param(lambda world: PureDriver(world, decide=deterministic_child), "b", id="deterministic child"),
        pytest.param(lambda world: PureDriver(world, decide=displaced_sibling), "a", id="displaced sibling"),
        pytest.param(lambda world: PureDriver(world, decide=no_window), "a", id="no window"),
        pytest.param(lambda world: PureDriver(world, decide=unforgiving), "a", id="unforgiving"),
        pytest.param(lambda world: PureDriver(world, decide=forgetful), "d", id="forgetful of limits"),
        pytest.param(lambda world: PureDriver(world, swap=write_unchecked), "abcd", id="check, then write"),
    ],
)
def test_machine_finds_a_planted_fault(plant: Callable[[World], Driver], promises: str) -> None:
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
