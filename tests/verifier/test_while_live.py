"""Design D23: an open connection ends with its session, by the entry itself, and cancels as `asyncio.timeout` does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from sealring.errors import ConnectionEnded, Expired, Revoked, Stale
from sealring.revocation.entry import Entry
from sealring.revocation.view import RevocationView
from sealring.verifier.node_state import NodeState
from sealring.verifier.open_connections import ENDED_A_TURN
from sealring.verifier.principal import Principal
from sealring.verifier.while_live import WhileLive
from tests.clocks import START, FrozenClock
from tests.nodes import a_node

pytestmark = pytest.mark.anyio

LEEWAY = 5
TTL = 1800
DAY = 86_400

USER = Principal(
    subject="42", session_id="sid", client_id="http", scopes=frozenset(), epoch=3, kid="k1", token_id="t",
    issued_at=START, expires_at=START + TTL, auth_time=START, session_expires_at=START + DAY, claims={},
)  # fmt: skip

SESSION = Entry(1, "1", "session", "sid", 0, START + TTL + LEEWAY)
SUBJECT = Entry(2, "2", "subject", "42", 4, START + TTL + LEEWAY)
KEY = Entry(3, "3", "key", "k1", 0, START + TTL + LEEWAY)


class Node:
    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.state: NodeState = a_node(self.clock)
        self.hear()

    def hear(self) -> None:
        """A good poll, just now."""
        self.state.know_until(self.clock.steady())

    def pass_seconds(self, seconds: float) -> None:
        self.clock.pass_seconds(seconds)
        self.hear()

    def look(self) -> None:
        """What the timer does."""
        for connections in self.state.connections._loops.values():
            connections.look()

    def live(self, user: Principal = USER) -> WhileLive:
        return WhileLive(self.state, user, leeway=LEEWAY)


@pytest.fixture
def node() -> Node:
    return Node()


class Connection:
    """A task that waits in a block, as a WebSocket's does."""

    def __init__(self, node: Node, user: Principal = USER) -> None:
        self._live = node.live(user)
        self._entered = asyncio.Event()
        self.task = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        async with self._live:
            self._entered.set()
            await asyncio.Event().wait()

    async def is_open(self) -> bool:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return not self.task.done()

    async def ended_by(self) -> str:
        with pytest.raises(ConnectionEnded) as caught:
            await asyncio.wait_for(self.task, 5)
        return caught.value.cause

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def connect(node: Node, user: Principal = USER) -> Connection:
    connection = Connection(node, user)
    await asyncio.wait(
        {connection.task, asyncio.ensure_future(connection._entered.wait())}, return_when="FIRST_COMPLETED"
    )
    return connection


@pytest.mark.parametrize("entry", [SESSION, SUBJECT, KEY], ids=lambda entry: entry.kind)
@pytest.mark.parametrize("apply", [NodeState.apply_revocations, NodeState.follow_revocations])
async def test_an_entry_ends_what_it_covers_and_nothing_else(
    node: Node, entry: Entry, apply: Callable[[NodeState, list[Entry]], None]
) -> None:
    mine = [await connect(node), await connect(node)]
    other = await connect(node, replace(USER, session_id="other", subject="43", kid="k2"))
    apply(node.state, [entry])
    assert [await connection.ended_by() for connection in mine] == [entry.kind] * 2
    assert await other.is_open()
    assert len(node.state.connections) == 1
    await other.close()
    assert len(node.state.connections) == 0


@pytest.mark.parametrize(("epoch", "stays"), [(3, False), (4, True), (5, True)])
async def test_a_raised_epoch_ends_connections_of_older_tokens_alone(node: Node, epoch: int, *, stays: bool) -> None:
    connection = await connect(node, replace(USER, epoch=epoch))
    node.state.apply_revocations([SUBJECT])
    assert await connection.is_open() is stays
    await connection.close()


async def test_a_connection_outlives_its_token_and_is_still_ended_by_the_entry(node: Node) -> None:
    connection = await connect(node)
    for _ in range(10):
        node.pass_seconds(TTL)
        node.look()
        node.state.revocations.forget(node.clock.now_ms() // 1000)
    assert await connection.is_open()
    node.state.follow_revocations([SESSION])
    assert await connection.ended_by() == "session"


async def test_i16_the_end_of_the_session_ends_it_at_that_second(node: Node) -> None:
    connection = await connect(node)
    node.pass_seconds(DAY - 1)
    node.look()
    assert await connection.is_open()
    node.pass_seconds(1)
    node.look()
    assert await connection.ended_by() == "expired"


async def test_a_token_that_says_no_end_is_trusted_until_it_expires(node: Node) -> None:
    connection = await connect(node, replace(USER, session_expires_at=None))
    node.pass_seconds(TTL - 1)
    node.look()
    assert await connection.is_open()
    node.pass_seconds(1)
    node.look()
    assert await connection.ended_by() == "expired"


async def test_i1_a_short_outage_ends_nothing_and_one_beyond_the_bound_ends_all(node: Node) -> None:
    connection = await connect(node)
    node.clock.pass_seconds(5)  # the bound itself is still within the promise
    node.look()
    assert await connection.is_open()
    node.hear()
    node.clock.pass_seconds(5.1)
    node.look()
    assert await connection.ended_by() == "stale"


async def test_f6_the_timer_finds_a_node_that_was_suspended(node: Node) -> None:
    """Nobody calls anything: the timer alone, which does not count the suspension."""
    connection = await connect(node)
    node.clock.pass_seconds(60)
    assert await connection.ended_by() == "stale"


@pytest.mark.parametrize("loaded", [[SESSION], [SUBJECT], [KEY]], ids=lambda loaded: loaded[0].kind)
async def test_a_full_load_ends_what_it_covers(node: Node, loaded: list[Entry]) -> None:
    connection = await connect(node)
    other = await connect(node, replace(USER, session_id="other", subject="43", kid="k2"))
    view = RevocationView()
    view.add(loaded)
    node.state.finish_reload(view, "incarnation")
    assert await connection.ended_by() == loaded[0].kind
    assert await other.is_open()
    await other.close()


async def test_i5_a_full_load_ends_what_it_can_no_longer_tell(node: Node) -> None:
    """The entry may have been forgotten between the two: what cannot be proved does not survive."""
    old = await connect(node)
    node.pass_seconds(TTL)
    young = await connect(node, replace(USER, session_id="young", expires_at=START + 2 * TTL))
    node.state.finish_reload(RevocationView(), "forgotten")
    assert await old.ended_by() == "reloaded"
    assert await young.is_open()
    await young.close()


async def test_all_of_many_end_in_turns(node: Node) -> None:
    many = [await connect(node, replace(USER, session_id=str(n))) for n in range(2 * ENDED_A_TURN + 1)]
    node.pass_seconds(TTL)
    node.state.finish_reload(RevocationView(), "digest")
    assert len(node.state.connections) == ENDED_A_TURN + 1
    assert {await connection.ended_by() for connection in many} == {"reloaded"}
    assert len(node.state.connections) == 0


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (lambda node: node.clock.pass_seconds(5.1), Stale),
        (lambda node: node.pass_seconds(TTL + LEEWAY), Expired),
        (lambda node: node.pass_seconds(DAY), Expired),
        (lambda node: node.state.follow_revocations([SESSION]), Revoked),
        (lambda node: node.state.follow_revocations([SUBJECT]), Revoked),
        (lambda node: node.state.follow_revocations([KEY]), Revoked),
    ],
)
async def test_nobody_enters_whom_a_check_would_refuse(
    node: Node, break_it: Callable[[Node], object], error: type[Exception]
) -> None:
    """Later than that an entry may be forgotten: the view no longer knows."""
    break_it(node)
    with pytest.raises(error):
        async with node.live():
            raise AssertionError("entered")
    assert len(node.state.connections) == 0


async def test_a_session_that_is_over_is_not_entered_within_the_leeway(node: Node) -> None:
    over = replace(USER, expires_at=START + 10, session_expires_at=START + 10)
    node.pass_seconds(10)
    with pytest.raises(Expired, match="over"):
        await node.live(over).__aenter__()
    assert len(node.state.connections) == 0


async def test_a_block_that_ends_by_itself_leaves_nothing_behind(node: Node) -> None:
    async with node.live():
        pass
    with pytest.raises(KeyError):
        async with node.live():
            raise KeyError
    node.state.apply_revocations([SESSION])
    assert len(node.state.connections) == 0
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_memory_does_not_grow_with_connections_that_have_gone(node: Node) -> None:
    stays = await connect(node)
    for _ in range(5 * ENDED_A_TURN):
        async with node.live():
            pass
    (connections,) = node.state.connections._loops.values()
    assert len(connections._ends) <= 2 + ENDED_A_TURN + 2
    assert len(connections._by_session) == len(connections._by_subject) == 1
    await stays.close()


# canceling


async def test_a_cancellation_from_outside_stays_one(node: Node) -> None:
    connection = await connect(node)
    connection.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connection.task
    assert connection.task.cancelled()


async def test_a_cancellation_from_outside_wins_over_the_end(node: Node) -> None:
    connection = await connect(node)
    node.state.apply_revocations([SESSION])
    connection.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connection.task


async def test_after_the_block_nothing_is_canceled(node: Node) -> None:
    after: list[str] = []

    async def serve() -> None:
        try:
            async with node.live():
                node.state.apply_revocations([SESSION])  # in this very task: the cancellation has not arrived yet
        except ConnectionEnded as ended:
            after.append(ended.cause)
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        after.append(str(task.cancelling()))

    await asyncio.create_task(serve())
    assert after == ["session", "0"]


async def test_a_block_that_swallows_its_end_ends_all_the_same(node: Node) -> None:
    async def serve() -> None:
        async with node.live():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    task = asyncio.create_task(serve())
    await asyncio.sleep(0)
    node.state.apply_revocations([SESSION])
    with pytest.raises(ConnectionEnded):
        await task


async def test_an_error_of_the_block_is_not_replaced(node: Node) -> None:
    async def serve() -> None:
        async with node.live():
            try:
                await asyncio.Event().wait()
            finally:
                raise KeyError("from the cleanup")

    task = asyncio.create_task(serve())
    await asyncio.sleep(0)
    node.state.apply_revocations([SESSION])
    with pytest.raises(KeyError):
        await task


async def test_blocks_nest_with_each_other_and_with_timeouts(node: Node) -> None:
    caught: list[str] = []

    async def serve(inner: Principal, seconds: float) -> None:
        try:
            async with node.live():
                try:
                    async with asyncio.timeout(seconds), node.live(inner):
                        await asyncio.Event().wait()
                except TimeoutError:
                    caught.append("timeout")
                except ConnectionEnded:
                    caught.append("inner")
                await asyncio.sleep(0)
        except ConnectionEnded:
            caught.append("outer")

    other = replace(USER, session_id="other", subject="43")
    await serve(other, 0.01)
    task = asyncio.create_task(serve(other, 60))
    await asyncio.sleep(0)
    node.state.apply_revocations([structs.replace(SESSION, target="other")])
    await task
    task = asyncio.create_task(serve(USER, 60))
    await asyncio.sleep(0)
    node.state.apply_revocations([SESSION])  # both: the outer one takes it
    await task
    assert caught == ["timeout", "inner", "outer"]


async def test_a_group_of_tasks_ends_with_the_block(node: Node) -> None:
    ended: list[str] = []

    async def child() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("child")

    async def serve() -> None:
        async with node.live(), asyncio.TaskGroup() as group:
            group.create_task(child())
            group.create_task(child())

    task = asyncio.create_task(serve())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    node.state.apply_revocations([SESSION])
    with pytest.raises(ConnectionEnded):
        await task
    assert ended == ["child", "child"]


async def test_a_block_is_for_one_use(node: Node) -> None:
    live = node.live()
    async with live:
        with pytest.raises(RuntimeError, match="call it again"):
            await live.__aenter__()
    with pytest.raises(RuntimeError, match="call it again"):
        await live.__aenter__()


# streams


async def ticks(closed: list[str], waits: Callable[[], Awaitable[object]]) -> AsyncIterator[int]:
    try:
        yield 1
        yield 2
        await waits()
        yield 3
    finally:
        closed.append("closed")


async def test_a_stream_ends_where_its_source_waits(node: Node) -> None:
    closed: list[str] = []
    got: list[Any] = []

    async def serve() -> None:
        stream = node.live().stream(ticks(closed, asyncio.Event().wait), last=lambda ended: ended.cause)  # type: ignore[arg-type, return-value]
        got.extend([chunk async for chunk in stream])

    task = asyncio.create_task(serve())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    node.state.apply_revocations([SESSION])
    await task
    assert got == [1, 2, "session"]
    assert closed == ["closed"]
    assert len(node.state.connections) == 0


async def test_a_stream_that_ended_while_a_chunk_was_sent_yields_no_more(node: Node) -> None:
    closed: list[str] = []
    got: list[int] = []
    async for chunk in node.live().stream(ticks(closed, lambda: asyncio.sleep(0))):
        got.append(chunk)
        node.state.apply_revocations([SESSION])
    assert got == [1]
    assert closed == ["closed"]


async def test_a_stream_that_is_live_passes_everything_on(node: Node) -> None:
    closed: list[str] = []
    assert [chunk async for chunk in node.live().stream(ticks(closed, lambda: asyncio.sleep(0)))] == [1, 2, 3]
    assert closed == ["closed"]
    assert len(node.state.connections) == 0
    stream = node.live().stream(ticks(closed, lambda: asyncio.sleep(0)))
    assert await anext(stream) == 1
    await stream.aclose()  # the client has gone
    assert closed == ["closed"] * 2
    assert len(node.state.connections) == 0


async def test_a_canceled_stream_stays_canceled(node: Node) -> None:
    closed: list[str] = []

    async def serve() -> None:
        async for _ in node.live().stream(ticks(closed, asyncio.Event().wait)):
            pass

    task = asyncio.create_task(serve())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == ["closed"]
    assert len(node.state.connections) == 0


# loops and threads


async def test_connections_of_another_loop_are_ended_in_their_own_thread(node: Node) -> None:
    entered, done = threading.Event(), threading.Event()
    caught: list[tuple[str, int]] = []

    async def serve() -> None:
        try:
            async with node.live():
                entered.set()
                await asyncio.Event().wait()
        except ConnectionEnded as ended:
            caught.append((ended.cause, threading.get_ident()))
        done.set()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert await asyncio.to_thread(entered.wait, 5)
    node.state.apply_revocations([SESSION])
    assert await asyncio.to_thread(done.wait, 5)
    await asyncio.to_thread(thread.join)
    assert caught == [("session", thread.ident)]
    assert not node.state.connections._loops


async def test_a_loop_that_was_closed_with_connections_is_forgotten(node: Node) -> None:
    def leave() -> None:
        loop = asyncio.new_event_loop()
        live = node.live()
        loop.run_until_complete(live.__aenter__())
        loop.close()

    await asyncio.to_thread(leave)
    assert len(node.state.connections) == 1
    node.state.apply_revocations([SESSION])
    assert len(node.state.connections) == 0


async def test_n11_a_child_has_none_of_its_parents_connections(node: Node) -> None:
    connection = await connect(node)
    node.state.forget_position("forked")
    assert len(node.state.connections) == 0
    node.hear()
    node.state.apply_revocations([SESSION])
    assert await connection.is_open()  # the parent's: the child leaves its task alone
    await connection.close()
