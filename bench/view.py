"""The question that every request asks, with 10 thousand to 10 million live revocations: µs and bytes an entry.

Floors in the same run: an empty method of the same arguments, and a set of as many 64-bit numbers, asked inline.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import gc
import secrets
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from time import perf_counter, process_time
from typing import TypeVar

from bench.report import Report, Table, add_json_option
from sealring.revocation.entry import Entry
from sealring.revocation.view import RevocationView

T = TypeVar("T")

ROUNDS = 150
QUESTIONS_A_ROUND = 2_000
MEMORY_FROM = 1_000_000
"""What fewer take is lost among what the process holds anyway."""
FEED_AT_ONCE = 500
"""As the follower does."""
LIFE_SECONDS = 1_860


class Empty:
    """The floor of any answer."""

    def cause(self, session_id: str, subject: str, epoch: int, kid: str) -> str | None:
        """Answer nothing."""


def entries(count: int, known: list[str]) -> Iterator[Entry]:
    """`count` revocations as half an hour would bring them; the sids of `known` are spread among them."""
    every = max(1, count // len(known))
    for number in range(count):
        sid = known[number // every % len(known)] if number % every == 0 else secrets.token_urlsafe(16)
        yield Entry(number, "", "session", sid, 0, number * LIFE_SECONDS // count)


def microseconds_of_cause(view: RevocationView | Empty, sids: list[str]) -> list[float]:
    """One whole call as a request makes it."""
    cause = view.cause

    def ask(asked: list[str]) -> None:
        for sid in asked:
            cause(sid, "42", 3, "kid")

    return microseconds(ask, sids, lambda sid: sid[:1] + sid[1:])


def microseconds_of_set(numbers: set[int], sids: list[str]) -> list[float]:
    """The floor: the same question of a plain set, inline."""

    def ask(asked: list[int]) -> None:
        for number in asked:
            number in numbers  # noqa: B015 - the question is what is timed

    return microseconds(ask, [hash(sid) for sid in sids], lambda number: number + 1 - 1)


def microseconds(ask: Callable[[list[T]], None], asked: list[T], renew: Callable[[T], T]) -> list[float]:
    """Time a question, less the empty loop, in many short rounds, none of which asks what another asked.

    Short, so that a round can go uninterrupted; never the same twice, so that no cache remembers it. What is asked is
    as a request has it: just made by `renew` (so it stands in the processor's cache, unlike what it is looked up in),
    its hash not yet computed.
    """
    rounds, loops = [], []
    for start in range(0, len(asked), QUESTIONS_A_ROUND):
        part = [renew(one) for one in asked[start : start + QUESTIONS_A_ROUND]]
        began = perf_counter()
        ask(part)
        rounds.append((perf_counter() - began) / len(part))
        began = perf_counter()
        for _one in part:
            pass
        loops.append((perf_counter() - began) / len(part))
    return [max(0.0, one - median(loops)) * 1e6 for one in rounds]


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - one read of a kernel file
        return int(statm.read().split()[1]) * 4096


def feed(view: RevocationView, all_entries: Iterable[Entry]) -> tuple[float, float]:
    """Feed in turns as the follower does; µs an entry, and the longest turn in ms."""
    spent = longest = 0.0
    count = 0
    turn: list[Entry] = []

    def take() -> None:
        nonlocal spent, longest, count
        began = process_time()
        view.add(turn)
        took = process_time() - began
        spent, longest, count = spent + took, max(longest, took), count + len(turn)
        turn.clear()

    for entry in all_entries:
        turn.append(entry)
        if len(turn) == FEED_AT_ONCE:
            take()
    take()
    return spent / count * 1e6, longest * 1e3


def forget(view: RevocationView) -> float:
    """Forget everything half-way and at the end; the longest step in ms."""
    longest = 0.0
    for now in (LIFE_SECONDS // 2, 2 * LIFE_SECONDS):
        for _ in range(100):
            began = process_time()
            view.forget(now)
            longest = max(longest, process_time() - began)
    return longest * 1e3


def measure(report: Report, count: int) -> None:
    known = [secrets.token_urlsafe(16) for _ in range(min(count, ROUNDS * QUESTIONS_A_ROUND))]
    unknown = [secrets.token_urlsafe(16) for _ in range(ROUNDS * QUESTIONS_A_ROUND)]
    gc.collect()
    before = resident_bytes()
    view = RevocationView()
    feed_us, feed_ms = feed(view, entries(count, known))
    gc.collect()
    held = resident_bytes() - before
    order = sorted(known, key=hash)
    empty_us = microseconds_of_cause(Empty(), unknown)
    miss_us, hit_us = microseconds_of_cause(view, unknown), microseconds_of_cause(view, order)
    if wrong := sum(view.cause(sid, "42", 3, "kid") != "session" for sid in known):
        sys.exit(f"{wrong} revoked sessions were let through")
    refused = sum(view.cause(sid, "42", 3, "kid") is not None for sid in unknown)
    forget_ms = forget(view)
    del view
    gc.collect()
    plain = {secrets.randbits(63) for _ in range(count)}
    set_us = microseconds_of_set(plain, unknown)
    print(
        f"{count:>11,} {median(miss_us):>9.3f} {median(hit_us):>9.3f} {median(empty_us):>9.3f}"
        f" {median(set_us):>9.3f} {held / count:>9.1f} {feed_us:>9.2f} {feed_ms:>9.1f} {forget_ms:>9.1f} {refused:>9}"
    )
    asked = {
        "floor: a method that answers nothing": empty_us,
        "floor: a set of as many numbers, inline": set_us,
        "Sealring: not revoked": miss_us,
        "Sealring: revoked": hit_us,
    }
    few = min(map(len, asked.values()))  # a small view has fewer to ask about
    cut = {name: values[:few] for name, values in asked.items()}
    report.add(Table.of(f"ask-{count}", f"one question, {count:,} live revocations", "µs", cut))
    if count < MEMORY_FROM:
        return
    rest = {
        "memory, MB": held / 1e6,
        "memory, bytes a revocation": held / count,
        "to put one in force, µs": feed_us,
        "longest step of 500, ms": feed_ms,
        "longest step when they expire, ms": forget_ms,
    }
    held_by = {name: [value] for name, value in rest.items()}
    report.add(Table.of(f"hold-{count}", f"{count:,} live revocations", "see row", held_by, compared=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 1_000_000, 10_000_000])
    add_json_option(parser)
    arguments = parser.parse_args()
    report = Report(arguments.json)
    print(
        f"{'entries':>11} {'miss µs':>9} {'hit µs':>9} {'empty µs':>9} {'set µs':>9} {'B/entry':>9}"
        f" {'feed µs':>9} {'turn ms':>9} {'forget ms':>9} {'wrong':>9}"
    )
    for count in arguments.counts:
        measure(report, count)


if __name__ == "__main__":
    main()
