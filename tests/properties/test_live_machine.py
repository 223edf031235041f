"""Design D23 as a state machine: connections, revocations, time, outages and restores and a model of what must be open.

The model knows the truth: which sessions have ended, and when. It follows no feed and holds no index. After each step:

- a connection of what has ended is gone: at once where the node revoked it or has polled since, and in any case when
  the bound S has passed (I1). So nothing that a full load could have lost survives (I5);
- a connection that nothing ended is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import methodcaller as call

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from sealring.errors import ConnectionEnded, Expired, Revoked, Stale
from sealring.revocation.entry import Entry, EntryKind
from sealring.verifier.open_connections import LoopConnections
from sealring.verifier.principal import Principal
from sealring.verifier.while_live import WhileLive
from tests.clocks import FrozenClock
from tests.feeds import Feed
from tests.nodes import follow

TTL = 60
LEEWAY = 5
BOUND = 5
SESSION_SECONDS = 400
SUBJECTS = 3
KEYS = 2

small = st.integers(0, 50)


@dataclass
class Held:
    """One connection, and what the model knows of it."""

    user: Principal
    task: asyncio.Task[None]
    dead_since: float | None = None
    """Steady seconds: a revocation covers it, of which the node may not know yet."""
    known: bool = False
    """The node has that revocation: it must be gone now."""
    may_end: bool = False
    """Something else allows that it has ended: staleness, the session's end, a full load after its token expired."""


class LiveMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FrozenClock()
        self.feed = Feed(self.clock)
        self.feed.longest_access_ttl = TTL
        self.follower = follow(self.feed, self.clock, max_staleness=BOUND, leeway=LEEWAY)
        self.node = self.follower.node
        self.epochs = [0] * SUBJECTS
        self.keys = [0] * KEYS
        self.retired: list[tuple[str, int]] = []
        """Keys that sign no longer, each with the time at which its last token has expired: until then it verifies."""
        self.sessions: list[tuple[str, int, int]] = []
        """Live ones: sid, subject, end."""
        self.held: list[Held] = []
        self.count = 0
        self.lives = 0
        self.poll()

    # what happens in the world

    def seconds(self) -> int:
        return self.clock.now_ms() // 1000

    def append(self, kind: EntryKind, target: str, epoch: int = 0) -> Entry:
        self.count += 1
        number = self.feed.entries[-1].number + 1 if self.feed.entries else 1
        entry = Entry(number, f"entry-{self.count}", kind, target, epoch, self.seconds() + TTL + LEEWAY)
        self.feed.entries.append(entry)
        for held in self.held:
            user = held.user
            covers = {
                "session": user.session_id == target,
                "subject": user.subject == target and user.epoch < epoch,
                "key": user.kid == target,
            }
            if covers[kind] and held.dead_since is None:
                held.dead_since = self.clock.steady()
        return entry

    def revoke(self, kind: EntryKind, which: int) -> Entry | None:
        if kind == "session":
            if not self.sessions:
                return None
            return self.append("session", self.sessions.pop(which % len(self.sessions))[0])
        if kind == "subject":
            subject = which % SUBJECTS
            self.epochs[subject] += 1
            return self.append("subject", str(subject), self.epochs[subject])
        key = which % KEYS
        self.retire(key)
        return self.append("key", f"key {key} {self.keys[key] - 1}")

    def retire(self, key: int) -> None:
        self.retired.append((f"key {key} {self.keys[key]}", self.seconds() + TTL + LEEWAY))
        self.keys[key] += 1

    # rules

    @rule(subject=small)
    def log_in(self, subject: int) -> None:
        self.count += 1
        self.sessions.append((f"sid-{self.count}", subject % SUBJECTS, self.seconds() + SESSION_SECONDS))

    @precondition(lambda self: self.sessions)
    @rule(which=small, key=small, age=st.integers(0, TTL + 2 * LEEWAY))
    def connect(self, which: int, key: int, age: int) -> None:
        """With a token of some age: what it says was right when it was issued, and is right now."""
        sid, subject, end = self.sessions[which % len(self.sessions)]
        key %= KEYS
        issued_at = self.seconds() - age
        user = Principal(
            subject=str(subject), session_id=sid, client_id="c", scopes=frozenset(), epoch=self.epochs[subject],
            kid=f"key {key} {self.keys[key]}", token_id="t", issued_at=issued_at, auth_time=issued_at,
            expires_at=min(issued_at + TTL, end), session_expires_at=end, claims={},
        )  # fmt: skip

        async def serve() -> None:
            async with WhileLive(self.node, user, leeway=LEEWAY):
                await asyncio.Event().wait()

        task = self.loop.create_task(serve())
        self.turns()
        if not task.done():
            self.held.append(Held(user, task))
            return
        error = task.exception()
        if isinstance(error, Stale):
            assert not self.node.is_fresh
        elif isinstance(error, Expired):
            assert self.seconds() >= min(user.expires_at + LEEWAY, end)
        else:  # of a store that was restored, and so of another life: the node still has entries of the last one
            assert isinstance(error, Revoked)
            assert self.node.revocations.cause(sid, str(subject), user.epoch, user.kid)

    @rule(kind=st.sampled_from(["session", "subject", "key"]), which=small)
    def revoke_elsewhere(self, kind: EntryKind, which: int) -> None:
        self.revoke(kind, which)

    @rule(kind=st.sampled_from(["session", "subject", "key"]), which=small)
    def revoke_here(self, kind: EntryKind, which: int) -> None:
        entry = self.revoke(kind, which)
        if entry is not None:
            self.run_here(entry)

    @rule(kind=st.sampled_from(["session", "subject", "key"]), which=small)
    def revoke_here_while_a_poll_is_answered(self, kind: EntryKind, which: int) -> None:
        """It may be a full load: the snapshot lacks it (I2)."""

        def work() -> None:
            self.feed.while_answering = lambda: None
            entry = self.revoke(kind, which)
            if entry is not None:
                self.node.apply_revocations([entry])
                self.know_of(entry)

        self.feed.while_answering = work
        self.poll()
        self.feed.while_answering = lambda: None

    @rule()
    def poll(self) -> None:
        reloads = sum(self.node.reloads.values())
        before = list(self.feed.entries)
        is_good = self.loop.run_until_complete(self.follower.poll())
        if sum(self.node.reloads.values()) > reloads:
            for held in self.held:
                held.may_end |= self.seconds() >= held.user.expires_at
        if is_good:
            for entry in before:
                self.know_of(entry)
        self.turns()

    @rule(seconds=st.floats(0.1, 4))
    def outage(self, seconds: float) -> None:
        """Shorter than the bound by itself; several in a row may pass it."""
        self.feed.broken = True
        self.clock.pass_seconds(seconds)
        self.poll()
        self.feed.broken = False

    @rule(steps=st.integers(1, 60))
    def time_passes(self, steps: int) -> None:
        for _ in range(steps):
            self.clock.pass_seconds(4)
            self.look()
            self.poll()

    @rule(seconds=st.integers(5, 100))
    def suspended(self, seconds: int) -> None:
        self.clock.pass_seconds(seconds)

    @rule()
    def store_forgets(self) -> None:
        expired = [entry.number for entry in self.feed.entries if entry.expires_at <= self.seconds()]
        self.feed.forgotten = max([self.feed.forgotten, *expired])

    @rule(lost=st.integers(0, 5))
    def store_is_restored(self, lost: int) -> None:
        """From a backup: entries are gone, and the operator's command ends all sessions and revokes all keys."""
        self.lives += 1
        del self.feed.entries[len(self.feed.entries) - min(lost, len(self.feed.entries)) :]
        self.feed.forgotten = min(self.feed.forgotten, self.feed.entries[-1].number if self.feed.entries else 0)
        self.feed.incarnation = f"life {self.lives}"
        self.sessions.clear()
        self.epochs = [epoch + 1 for epoch in self.epochs]
        for held in self.held:
            if held.dead_since is None:
                held.dead_since = self.clock.steady()
        for name, until in self.retired:  # the backup may hold as good what was retired or revoked since
            if until > self.seconds():
                self.append("key", name)
        for key in range(KEYS):
            self.revoke("key", key)

    @rule()
    def keys_are_rotated(self) -> None:
        """The old ones retire without an entry: connections live on. Later restores know nothing of their keys."""
        for key in range(KEYS):
            self.retire(key)

    # what must be so

    @invariant()
    def what_has_ended_is_gone_and_nothing_else_is(self) -> None:
        self.look()
        now = self.clock.steady()
        for held in list(self.held):
            is_stale = not self.node.is_fresh
            is_over = self.seconds() >= (held.user.session_expires_at or 0)
            held.may_end |= is_stale or is_over or held.dead_since is not None
            must_end = held.known or is_stale or is_over
            must_end |= held.dead_since is not None and now > held.dead_since + BOUND
            if held.task.done():
                assert isinstance(held.task.exception(), ConnectionEnded)
                assert held.may_end, (held.user, held.task.exception())
                self.held.remove(held)
            else:
                assert not must_end, held.user
        assert len(self.node.connections) == len(self.held)

    def know_of(self, entry: Entry) -> None:
        for held in self.held:
            user = held.user
            match entry.kind:
                case "session":
                    held.known |= user.session_id == entry.target
                case "subject":
                    held.known |= user.subject == entry.target and user.epoch < entry.epoch
                case _:
                    held.known |= user.kid == entry.target

    def run_here(self, entry: Entry) -> None:
        async def work() -> None:
            self.node.apply_revocations([entry])

        self.loop.run_until_complete(work())
        self.know_of(entry)
        self.turns()

    def look(self) -> None:
        """What the timer does. A stale node ends what is open, though it may be fresh again when the model looks."""
        for held in self.held:
            held.may_end |= not self.node.is_fresh

        async def work() -> None:
            for connections in self.node.connections._loops.values():
                connections.look()

        self.loop.run_until_complete(work())
        self.turns()

    def turns(self) -> None:
        async def work() -> None:
            for _ in range(4):
                await asyncio.sleep(0)

        self.loop.run_until_complete(work())

    def teardown(self) -> None:
        async def close() -> None:
            for held in self.held:
                held.task.cancel()
            await asyncio.gather(*(held.task for held in self.held), return_exceptions=True)

        self.loop.run_until_complete(close())
        self.loop.close()


def test_connections_are_open_as_long_as_the_model_says() -> None:
    run_state_machine_as_test(LiveMachine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))


def ignores_old(connections: LoopConnections) -> None:
    """After a full load only the view is asked, as if nothing had ever been forgotten."""
    for one in connections._all():
        by = connections._node.revocations.cause(one.session_id, one.subject, one.epoch, one.kid)
        if by is not None:
            one.end(by)


def polls_the_view(connections: LoopConnections) -> None:
    """The timer asks the view, instead of being woken by entries: it has no bound of its own."""
    ignores_old(connections)


def never_stale(connections: LoopConnections) -> None:
    now = connections._now()
    for one in connections._all():
        if one.ends_at <= now:
            one.end("expired")


def never_over(connections: LoopConnections) -> None:
    if not connections._node.is_fresh:
        connections._end_all("stale", connections._all())


def by_expiry(connections: LoopConnections) -> None:
    """A connection ends with its token."""
    for one in connections._all():
        if one.valid_until <= connections._now():
            one.end("expired")
    REAL_LOOK(connections)


def all_of_the_subject(connections: LoopConnections, entries: Sequence[Entry]) -> None:
    """Whatever its epoch."""
    for entry in entries:
        for one in tuple(connections._by_subject.get(entry.target, ())):
            one.end("subject")
    REAL_APPLY(connections, entries)


def of_kinds(*kinds: EntryKind) -> Callable[[LoopConnections, Sequence[Entry]], None]:
    def apply(connections: LoopConnections, entries: Sequence[Entry]) -> None:
        REAL_APPLY(connections, [entry for entry in entries if entry.kind in kinds])

    return apply


REAL_LOOK = LoopConnections.look
REAL_APPLY = LoopConnections.apply


Steps = tuple[call, ...]
"""Rules with their arguments, one after the other."""

OPEN: Steps = (call("log_in", 0), call("connect", 0, 0, 0))
RESTORED: Steps = (
    *OPEN,
    call("keys_are_rotated"),
    call("time_passes", 20),
    call("store_is_restored", 0),
    call("time_passes", 2),
)
"""A backup is restored when the connection's token and its key have expired: no entry covers it."""
OVER: Steps = (*OPEN, call("time_passes", 60), call("time_passes", 60))

FAULTS: dict[str, tuple[str, object, Steps]] = {
    "a full load asks the view alone": ("check_all", ignores_old, RESTORED),
    "a full load asks nothing": ("check_all", lambda _: None, RESTORED),
    "no bound": ("look", polls_the_view, OVER),
    "a stale node holds on": ("look", never_stale, (*OPEN, call("suspended", 6))),
    "a session without an end": ("look", never_over, OVER),
    "ends with the token": ("look", by_expiry, (*OPEN, call("time_passes", 20))),
    "any epoch": (
        "apply",
        all_of_the_subject,
        (call("revoke_elsewhere", "subject", 0), *OPEN, call("poll")),
    ),
    "no keys": ("apply", of_kinds("session", "subject"), (*OPEN, call("revoke_here", "key", 0))),
    "no subjects": (
        "apply",
        of_kinds("session", "key"),
        (*OPEN, call("revoke_elsewhere", "subject", 0), call("poll")),
    ),
    "no sessions": ("apply", of_kinds("subject", "key"), (*OPEN, call("revoke_here", "session", 0))),
}
"""By name: the method that is replaced, by what, and a short way on which the machine must see it."""
FOUND_IN_MOMENTS = ("a full load asks nothing", "no bound", "a stale node holds on", "ends with the token")
"""Without being shown the way. The others take up to a minute, and are searched for in the slow run."""
TOO_RARE = ("a full load asks the view alone",)
"""Two thousand walks may miss it: a rotation, the end of its tokens and a restore, in that order."""


def go(path: Steps) -> None:
    """Take the steps of a path, as Hypothesis would, and look after each."""
    machine = LiveMachine()
    try:
        for step in path:
            step(machine)
            machine.what_has_ended_is_gone_and_nothing_else_is()
    finally:
        machine.teardown()


@pytest.mark.parametrize("fault", FAULTS)
def test_machine_sees_a_planted_fault(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    name, planted, path = FAULTS[fault]
    go(path)
    monkeypatch.setattr(LoopConnections, name, planted)
    with pytest.raises(AssertionError):
        go(path)


@pytest.mark.parametrize(
    "fault",
    [
        name if name in FOUND_IN_MOMENTS else pytest.param(name, marks=pytest.mark.slow)
        for name in FAULTS
        if name not in TOO_RARE
    ],
)
def test_machine_finds_a_planted_fault_by_itself(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    name, planted, _ = FAULTS[fault]
    monkeypatch.setattr(LoopConnections, name, planted)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            LiveMachine,
            settings=settings(
                max_examples=2_000,
                stateful_step_count=40,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.slow
def test_connections_are_open_as_long_as_the_model_says_at_length() -> None:
    run_state_machine_as_test(LiveMachine, settings=settings(max_examples=3_000, stateful_step_count=60, deadline=None))
