"""All live entries of the feed as segments: bytes that never change, each named by its hash.

They are kept only while somebody asks for them, since they take some 80 bytes an entry, five times what the node's own
view takes. A segment holds what is left of a fixed range of numbers, so snapshots of one hour, and those of several
nodes, share nearly all of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from sealring.revocation.entry import Entry
from sealring.revocation.wire import SEGMENT_NUMBERS, Segment, fingerprint, write_segment


class FeedSegments:
    """Closed segments, and the entries of the range that is not full yet."""

    def __init__(self) -> None:
        self.open: list[Entry] = []
        self._closed: dict[str, tuple[Segment, bytes, int]] = {}

    @property
    def closed(self) -> tuple[Segment, ...]:
        """The segments, in number order."""
        return tuple(segment for segment, _, _ in self._closed.values())

    def bytes_of(self, name: str) -> bytes | None:
        """A segment's bytes; None when there is no such segment."""
        found = self._closed.get(name)
        return None if found is None else found[1]

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries, in number order."""
        for entry in entries:
            if self.open and _range_of(entry) != _range_of(self.open[-1]):
                self._close()
            self.open.append(entry)

    def forget(self, now: int) -> None:
        """Drop the segments whose last entry has expired at `now` (Unix seconds)."""
        for name in [name for name, (_, _, expires_at) in self._closed.items() if expires_at < now]:
            del self._closed[name]

    def _close(self) -> None:
        entries, self.open = self.open, []
        first = _range_of(entries[0]) * SEGMENT_NUMBERS + 1
        data = write_segment(entries)
        segment = Segment(first, first + SEGMENT_NUMBERS - 1, fingerprint(data))
        self._closed[segment.name] = segment, data, max(entry.expires_at for entry in entries)


def _range_of(entry: Entry) -> int:
    return (entry.number - 1) // SEGMENT_NUMBERS
