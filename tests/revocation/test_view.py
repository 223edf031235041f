from __future__ import annotations

import os
import threading
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sealring.revocation import compact_set, expiring_set, view
from sealring.revocation.compact_set import CompactSet
from sealring.revocation.entry import Entry, EntryKind
from sealring.revocation.view import RevocationView

NOW = 1_000_000
FAR = NOW + 10_000


def entry(kind: EntryKind, target: str, *, epoch: int = 0, expires_at: int = FAR) -> Entry:
    return Entry(1, "random", kind, target, epoch, expires_at)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which a test reaches every branch."""
    monkeypatch.setattr(view, "EXACT_SESSIONS", 4)
    shrink_compact(monkeypatch)


def shrink_compact(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "POSITIONS": 512,
        "POSITION_MASK": 511,
        "_SMALLEST_SEGMENT": 4,
        "_LARGEST_SEGMENT": 8,
        "_SWEPT_AT_ONCE": 16,
    }.items():
        monkeypatch.setattr(compact_set, name, value)
    monkeypatch.setattr(expiring_set, "FORGOTTEN_AT_ONCE", 3)


def is_compact(revocations: RevocationView) -> bool:
    return revocations._compact is not None


@pytest.mark.parametrize(
    ("given_entry", "cause"),
    [
        (entry("session", "sid"), "session"),
        (entry("session", "other"), None),
        (entry("subject", "42", epoch=7), None),
        (entry("subject", "42", epoch=8), "subject"),
        (entry("subject", "43", epoch=8), None),
        (entry("key", "kid"), "key"),
        (entry("key", "sid"), None),
        (entry("session", "42"), None),
        (entry("subject", "sid", epoch=8), None),
    ],
)
def test_each_kind_covers_what_it_names_and_nothing_else(given_entry: Entry, cause: str | None) -> None:
    revocations = RevocationView()
    assert revocations.cause("sid", "42", 7, "kid") is None
    revocations.add([given_entry])
    assert revocations.cause("sid", "42", 7, "kid") == cause


def test_epoch_never_goes_back() -> None:
    revocations = RevocationView()
    revocations.add([entry("subject", "42", epoch=9), entry("subject", "42", epoch=3)])
    assert revocations.cause("sid", "42", 8, "kid") == "subject"
    assert revocations.cause("sid", "42", 9, "kid") is None


def test_f3_adding_twice_and_in_any_order_changes_nothing() -> None:
    entries = [entry("session", "a"), entry("subject", "42", epoch=2), entry("session", "b"), entry("key", "k")]
    revocations = RevocationView()
    revocations.add(entries)
    revocations.add(reversed(entries))
    assert len(revocations) == 4


def test_entry_outlives_every_token_it_can_concern() -> None:
    revocations = RevocationView()
    revocations.add([entry("session", "sid", expires_at=NOW)])
    revocations.forget(NOW - 1)
    assert revocations.cause("sid", "42", 0, "kid") == "session"
    revocations.forget(NOW + expiring_set.BUCKET_SECONDS)
    assert revocations.cause("sid", "42", 0, "kid") is None
    assert len(revocations) == 0


def test_entry_added_again_with_a_later_end_is_kept_until_then() -> None:
    revocations = RevocationView()
    revocations.add([entry("subject", "42", epoch=1, expires_at=NOW), entry("subject", "42", epoch=2)])
    revocations.forget(FAR - 1)
    assert revocations.cause("sid", "42", 1, "kid") == "subject"


@pytest.mark.usefixtures("small")
def test_forgetting_takes_a_bounded_step_at_a_time() -> None:
    revocations = RevocationView()
    revocations.add(entry("subject", str(number), epoch=1, expires_at=NOW) for number in range(10))
    held = []
    for _ in range(4):
        revocations.forget(FAR)
        held.append(len(revocations))
    assert held == [7, 4, 1, 0]


@pytest.mark.usefixtures("small")
def test_packing_begins_when_the_exact_part_is_full_and_ends_when_all_is_forgotten() -> None:
    revocations = RevocationView()
    sids = [f"sid-{number}" for number in range(100)]
    for number, sid in enumerate(sids):
        revocations.add([entry("session", sid, expires_at=NOW + number * 100)])
    assert all(revocations.cause(sid, "42", 0, "kid") == "session" for sid in sids)
    assert is_compact(revocations)
    for number, sid in enumerate(sids):
        # never early, and a segment at the latest after its newest entry
        revocations.forget(NOW + number * 100)
        later = sids[number + 1 :]
        assert all(revocations.cause(other, "42", 0, "kid") == "session" for other in later), sid
    for _ in range(10):
        revocations.forget(NOW + 200_000)
    assert not is_compact(revocations)
    assert len(revocations) == 0
    assert not any(revocations.cause(sid, "42", 0, "kid") for sid in sids)


@pytest.mark.usefixtures("small")
def test_a_live_session_is_live_and_all_are_counted_when_packed() -> None:
    revocations = RevocationView()
    revocations.add(entry("session", f"dead-{number}") for number in range(20))
    assert is_compact(revocations)
    assert len(revocations._sessions) == 0  # all have followed, and none was added there meanwhile
    assert len(revocations) == 20
    assert {revocations.cause(f"dead-{number}", "42", 0, "kid") for number in range(20)} == {"session"}
    assert {revocations.cause(f"live-{number}", "42", 0, "kid") for number in range(20)} == {None}


def test_sweeping_leaves_the_bits_of_live_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_compact(monkeypatch)
    sessions = CompactSet()
    # more segments than bits, so that some share one
    ends = {f"sid-{number}": NOW + 300 * (number // 5) for number in range(80)}
    for sid, expires_at in ends.items():
        sessions.add(sid, expires_at)
    assert len(sessions._segments) > 8
    for now in range(NOW, NOW + 300 * 20, 300):
        sessions.forget(now)
        ends[f"new-{now}"] = now + 300 * 20
        sessions.add(f"new-{now}", now + 300 * 20)
        for sid, expires_at in ends.items():
            if expires_at > now:
                assert sid in sessions
    held = []
    while sessions._segments:
        sessions.forget(NOW + 300 * 100)
        held.append(len(sessions._segments))
    assert held == list(reversed(range(len(held))))  # never two at once: that would be a pause
    for _ in range(8):
        sessions.forget(NOW + 300 * 100)
    assert sessions._dropped_bits == 0
    assert not any(sessions._filter[:])
    assert not any(sessions._signposts[:])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_worker_has_its_own() -> None:
    sessions = CompactSet()
    sessions.add("before", NOW)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads, which the child does not need
        child = os.fork()
    if not child:
        try:
            sessions.add("after", NOW)
            sessions.forget(NOW + 10**6)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert "before" in sessions
    assert "after" not in sessions


def test_entries_of_different_lives_share_few_segments() -> None:
    # nodes with different settings, or in the middle of a change of one
    sessions = CompactSet()
    for number in range(2_000):
        sessions.add(f"sid-{number}", NOW + number % 2 * 40_000)
    assert len(sessions._segments) == 2


def test_sweeping_spares_a_segment_that_took_a_dropped_ones_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_compact(monkeypatch)
    sessions = CompactSet()
    sessions.add("old", NOW)
    sessions.forget(NOW + 300)
    assert sessions._dropped_bits
    sids = [f"sid-{number}" for number in range(40)]
    for sid in sids:
        sessions.add(sid, NOW + 3_000)
    for _ in range(8):
        sessions.forget(NOW + 300)
    assert all(sid in sessions for sid in sids)


def test_compact_entry_is_held_once_and_dropped_with_its_span() -> None:
    sessions = CompactSet()
    sessions.add("sid", NOW)
    sessions.add("sid", NOW)
    assert len(sessions) == 1
    end_of_span = -(-NOW // 300) * 300
    sessions.forget(end_of_span - 1)
    assert "sid" in sessions
    sessions.forget(end_of_span)
    assert len(sessions) == 0


def test_an_entry_for_a_span_that_was_dropped_is_held() -> None:
    compact = CompactSet()
    compact.add("early", NOW)
    compact.forget(FAR)
    assert len(compact) == 0
    # by a node whose clock was ahead when it forgot (T1)
    compact.add("late", NOW)
    assert "late" in compact


def test_an_id_whose_hash_has_no_high_bits_is_held() -> None:
    class Low(str):
        __slots__ = ()

        def __hash__(self) -> int:
            return 5

    compact = CompactSet()
    assert Low() not in compact
    compact.add(Low(), FAR)
    assert Low() in compact


@pytest.mark.usefixtures("small")
def test_a_segment_has_a_largest_size() -> None:
    compact = CompactSet()
    for number in range(100):
        compact.add(str(number), FAR)
    assert max(segment.capacity for segment in compact._segments) == 8


@pytest.mark.usefixtures("small")
def test_entry_that_was_added_again_keeps_its_later_end_when_it_is_compact() -> None:
    revocations = RevocationView()
    revocations.add([entry("session", "sid", expires_at=NOW), entry("session", "sid", expires_at=FAR)])
    revocations.add(entry("session", f"other-{number}", expires_at=NOW) for number in range(40))
    assert is_compact(revocations)
    for _ in range(20):
        revocations.forget(NOW + 3_000)
    assert revocations.cause("sid", "42", 0, "kid") == "session"


def test_nothing_is_lost_while_others_ask() -> None:
    sessions = CompactSet()
    done = threading.Event()
    lost: list[str] = []
    known = 0
    sids = [f"sid-{number}" for number in range(40_000)]

    def ask() -> None:
        asked = 0
        while not done.is_set():
            if limit := known:
                asked += 7_919
                sid = sids[asked % limit]
                if sid not in sessions:
                    lost.append(sid)

    asking = threading.Thread(target=ask)
    asking.start()
    for number, sid in enumerate(sids):
        sessions.add(sid, NOW + number // 40)
        known = number + 1
    done.set()
    asking.join()
    assert not lost


def test_tables_take_few_bytes_an_entry() -> None:
    sessions = CompactSet()
    for number in range(300_000):
        sessions.add(f"sid-{number}", NOW)
    tables = sessions.nbytes - compact_set.POSITIONS // 4
    assert tables / len(sessions) <= 16
    live = sum(1 for number in range(50_000) if f"live-{number}" in sessions)
    assert live == 0


class ViewAgainstModel(RuleBasedStateMachine):
    """The view says what a plain dictionary of the same entries says, whatever comes in whatever order."""

    @initialize()
    def start(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(view, "EXACT_SESSIONS", 3)
        shrink_compact(self.patch)
        self.view = RevocationView()
        self.entries: list[Entry] = []
        self.now = NOW

    @rule(
        kind=st.sampled_from(["session", "subject", "key"]),
        number=st.integers(0, 40),
        epoch=st.integers(1, 5),
        life=st.integers(0, 1_000),
    )
    def revoke(self, kind: EntryKind, number: int, epoch: int, life: int) -> None:
        new = entry(kind, f"t{number}", epoch=epoch if kind == "subject" else 0, expires_at=self.now + life)
        self.entries.append(new)
        self.view.add([new])

    @rule(number=st.integers(0, 10**6))
    def repeat(self, number: int) -> None:
        if self.entries:
            self.view.add([self.entries[number % len(self.entries)]])

    @rule(seconds=st.integers(0, 2_000))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        self.view.forget(self.now)

    @invariant()
    def nothing_live_is_missing_and_nothing_unknown_is_dead(self) -> None:
        if not hasattr(self, "entries"):
            return
        for number in range(42):
            target = f"t{number}"
            for epoch in (0, 3):
                for cause, ids in (
                    ("session", (target, "-", epoch, "-")),
                    ("subject", ("-", target, epoch, "-")),
                    ("key", ("-", "-", epoch, target)),
                ):
                    covering = [
                        known
                        for known in self.entries
                        if known.kind == cause
                        and known.target == target
                        and (known.kind != "subject" or epoch < known.epoch)
                    ]
                    said = self.view.cause(*ids)
                    if any(known.expires_at > self.now for known in covering):
                        assert said == cause
                    elif not covering:
                        assert said is None

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()


TestViewAgainstModel = ViewAgainstModel.TestCase
TestViewAgainstModel.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


@given(st.lists(st.text(min_size=1), unique=True, min_size=1, max_size=50))
def test_any_text_can_be_a_subject(subjects: list[str]) -> None:
    revocations = RevocationView()
    revocations.add(entry("subject", subject, epoch=1) for subject in subjects[1:])
    assert all(revocations.cause("sid", subject, 0, "kid") == "subject" for subject in subjects[1:])
    assert revocations.cause("sid", subjects[0], 0, "kid") is None
