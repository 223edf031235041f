"""Open connections: what an idle one costs, and how long it takes from a revocation to the end of what it covers.

- bytes: of a task that waits in `while_live`, beside the same task without it
- revoke to cancel: 10,000 connections, a session each, revoked one after the other and all at once; from before the
  revocations are put in force until the task has left its block
- entry: what an entry costs that covers no connection, with none open and with all
- look: one turn of the timer
- all end: until 100,000 tasks have left their blocks
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import asyncio
import gc
import time
import tracemalloc
from collections.abc import Callable, Coroutine

from bench.report import Report, Table, add_json_option
from sealring.errors import ConnectionEnded
from sealring.revocation.entry import Entry
from sealring.verifier.clock import SystemClock
from sealring.verifier.node_state import NodeState
from sealring.verifier.principal import Principal
from sealring.verifier.while_live import WhileLive

Wait = Callable[[NodeState, Principal, list[float]], Coroutine[None, None, None]]

FAR = 2**40
IDLE = 100_000
ENDED = 10_000


def a_node() -> NodeState:
    node = NodeState(SystemClock(5), max_staleness=3600)
    node.know_until(node.clock.steady())
    return node


def a_principal(number: int) -> Principal:
    return Principal(
        subject=f"user-{number}", session_id=f"session-{number:022}", client_id="c", scopes=frozenset(), epoch=0,
        kid="k", token_id="t", issued_at=0, expires_at=FAR, auth_time=0, session_expires_at=FAR, claims={},
    )  # fmt: skip


async def wait_live(node: NodeState, user: Principal, ends: list[float]) -> None:
    """As a route does, and note when it was canceled."""
    try:
        async with WhileLive(node, user, leeway=5):
            await asyncio.Future()
    except ConnectionEnded:
        ends.append(time.perf_counter())


async def wait_plainly(_node: NodeState, _user: Principal, _ends: list[float]) -> None:
    await asyncio.Future()


async def open_all(wait: Wait, node: NodeState, users: list[Principal], ends: list[float]) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(wait(node, user, ends)) for user in users]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def close_all(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def percentile(sorted_values: list[float], share: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def microseconds_an_entry(node: NodeState, number: int) -> float:
    entries = [Entry(n, str(n), "session", f"nobody-{number}-{n}", 0, FAR) for n in range(10_000)]
    began = time.perf_counter()
    node.connections.apply(entries)
    return (time.perf_counter() - began) / len(entries) * 1e6


async def bytes_of(wait: Wait, count: int) -> float:
    node, users = a_node(), [a_principal(number) for number in range(count)]
    gc.collect()
    tracemalloc.start()
    tasks = await open_all(wait, node, users, [])
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    await close_all(tasks)
    return held / count


def spread(delays: list[float], unit: str) -> str:
    delays.sort()
    return f"{percentile(delays, 0.5):>10,.1f} p50 {percentile(delays, 0.99):>10,.1f} p99 {unit}"


async def measure(report: Report, idle: int, ended: int) -> None:
    plain = await bytes_of(wait_plainly, idle)
    live = await bytes_of(wait_live, idle)
    print(
        f"bytes of an idle connection        {live - plain:>10,.0f}   ({live:,.0f} with its task, {plain:,.0f} without)"
    )
    held = {"the same task without it": [plain], "Sealring: a task in while_live": [live]}
    report.add(Table.of("live-memory", f"an idle connection, {idle:,} open", "bytes", held))

    node, ends = a_node(), list[float]()
    tasks = await open_all(wait_live, node, [a_principal(number) for number in range(ended)], ends)
    delays: list[float] = []
    for number in range(ended):
        began = time.perf_counter()
        node.apply_revocations([Entry(number, str(number), "session", f"session-{number:022}", 0, FAR)])
        await tasks[number]
        delays.append((ends[-1] - began) * 1e6)
    print(f"revoke to cancel, one by one       {spread(delays, 'µs')}")
    one = {"one after the other": [delay / 1e3 for delay in delays]}
    report.add(
        Table.of("live-one", f"revocation to the end of a connection, {ended:,} open", "ms", one, compared=False)
    )

    node, ends = a_node(), []
    tasks = await open_all(wait_live, node, [a_principal(number) for number in range(ended)], ends)
    entries = [Entry(n, str(n), "session", f"session-{n:022}", 0, FAR) for n in range(ended)]
    began = time.perf_counter()
    node.apply_revocations(entries)
    await asyncio.gather(*tasks)
    waits = [(end - began) * 1e3 for end in ends]
    print(f"revoke to cancel, all at once      {spread(waits, 'ms')}")
    title = f"revocation to the end of a connection, {ended:,} revoked at once"
    report.add(Table.of("live-all", title, "ms", {"all at once": waits}, compared=False))

    node = a_node()
    none = microseconds_an_entry(node, 0)
    tasks = await open_all(wait_live, node, [a_principal(number) for number in range(idle)], [])
    print(f"an entry that covers nothing, µs   {microseconds_an_entry(node, 1):>10,.2f}   ({none:,.2f} with none open)")
    (connections,) = node.connections._loops.values()  # noqa: SLF001 - what is measured
    began = time.perf_counter()
    for _ in range(1000):
        connections.look()
    print(f"one look of the timer, µs          {(time.perf_counter() - began) * 1e3:>10,.2f}")
    began = time.perf_counter()
    node.clock.offset += FAR  # all at the end of their sessions
    connections.look()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(f"all {idle:,} end, s               {time.perf_counter() - began:>10,.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idle", type=int, default=IDLE, help="idle connections that are open")
    parser.add_argument("--ended", type=int, default=ENDED, help="connections that are ended")
    add_json_option(parser)
    asked = parser.parse_args()
    asyncio.run(measure(Report(asked.json), asked.idle, asked.ended))


if __name__ == "__main__":
    main()
