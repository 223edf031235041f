"""Millions of dead session ids in some fifteen bytes each, nearly all questions answered by one memory access.

*Segments* are open-addressing tables of 32-bit marks for entries that expire within the same few
minutes; each is dropped whole when the last of them has. No table is ever copied or grown, and the
kernel gives its pages as they are first written, so nothing pauses. In front stand the *filter*, one
bit for each position that a hash can have, and the *signposts*, a byte for every eight positions that
says in which segments something stands. More than nine times in ten, even at ten million entries, the
filter alone says "no".

Nothing is stored as text, so an answer "dead" can be wrong. It takes a live id that passes the filter
(7 % at ten million entries) and whose high 32 bits equal one of two or three marks met on the way:
some 1 in 10^10 for each live session, and it passes with the segment. Ids are 128 random bits that
only the server chooses, and `hash` of a str is SipHash under a key of this process (unless
PYTHONHASHSEED fixes it), so nobody can aim at it. An answer "alive" is never wrong.
"""

from __future__ import annotations

import mmap
import sys
from typing import Final

POSITIONS: Final = 1 << 27
POSITION_MASK: Final = POSITIONS - 1
"""A position fits one digit of a Python int, on which everything is cheaper than on the whole hash."""

SEGMENT_SECONDS: Final = 300
"""A segment holds what expires within one such span: no entry is kept longer than asked by more than that."""

_SMALLEST_SEGMENT: Final = 1 << 18
_LARGEST_SEGMENT: Final = 1 << 21
_BITS: Final = 8
_SWEPT_AT_ONCE: Final = 1 << 18
"""Signposts cleared of dropped segments in one go: about a millisecond."""

_ALL_OR_NOTHING: Final = bytes(255 if byte else 0 for byte in range(256))


def _zeros(count: int) -> mmap.mmap:
    """So many zero bytes, which cost nothing until they are written; `bytearray` would write them all at once."""
    if sys.platform == "win32":
        return mmap.mmap(-1, count)
    # private: a forked worker that shared them would clear what its siblings still need
    return mmap.mmap(-1, count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class _Segment:
    """One table, half full at most, so that a search ends after two or three slots."""

    __slots__ = ("bit", "capacity", "count", "mask", "span", "table")

    def __init__(self, capacity: int, bit: int, span: int) -> None:
        self.capacity = capacity
        self.count = 0
        self.bit = bit
        self.span = span
        self.table = memoryview(_zeros(8 * capacity)).cast("i")
        self.mask = 2 * capacity - 1


class CompactSet:
    """Dead session ids by their hash. One writer; any number of threads may read meanwhile.

    `add` and `forget` are those of an `ExpiringSet`; whether an id is dead, `in` answers.
    """

    __slots__ = ("_by_signpost", "_dropped_bits", "_filling", "_filter", "_segments", "_signposts", "_swept_to")

    def __init__(self) -> None:
        self._filter = _zeros(POSITIONS // 8)
        """A bit for each position, the low bits of a hash: set for all entries, and for few that are none."""
        self._signposts = _zeros(POSITIONS // 8)
        self._segments: list[_Segment] = []
        self._filling: dict[int, _Segment] = {}
        self._by_signpost: list[tuple[tuple[memoryview[int], int], ...]] = [()] * (1 << _BITS)
        self._dropped_bits = 0
        self._swept_to = 0

    def __len__(self) -> int:
        return sum(segment.count for segment in self._segments)

    @property
    def nbytes(self) -> int:
        """Bytes of all tables and the filter."""
        return 2 * (POSITIONS // 8) + sum(segment.table.nbytes for segment in self._segments)

    def add(self, session_id: str, expires_at: int) -> None:
        """Remember the session id at least until `expires_at` (Unix seconds)."""
        span = -(-expires_at // SEGMENT_SECONDS)
        segment = self._filling.get(span)
        if segment is None or segment.count == segment.capacity:
            segment = self._begin_segment(span)
        hashed = hash(session_id)
        position = hashed & POSITION_MASK
        mark = hashed >> 32 or 1  # 0 is an empty place
        place = position & segment.mask
        table = segment.table
        while (found := table[place]) and found != mark:
            place = place + 1 & segment.mask
        if not found:
            segment.count += 1
            table[place] = mark
        # the table first, the filter last: a reader that passes the filter finds the mark
        self._signposts[position >> 3] |= segment.bit
        self._filter[position >> 3] |= 1 << (position & 7)

    def __contains__(self, session_id: object) -> bool:
        """Whether that id is dead."""
        hashed = hash(session_id)
        position = hashed & POSITION_MASK
        if not self._filter[position >> 3] >> (position & 7) & 1:
            return False
        mark = hashed >> 32 or 1
        for table, mask in self._by_signpost[self._signposts[position >> 3]]:
            place = position & mask
            while found := table[place]:
                if found == mark:
                    return True
                place = place + 1 & mask
        return False

    def forget(self, now: int) -> None:
        """Drop a segment that has expired as a whole at `now` (Unix seconds): one at a time, which is quick."""
        passed = now // SEGMENT_SECONDS
        expired = next((segment for segment in self._segments if segment.span <= passed), None)
        if expired is not None:
            self._segments = [segment for segment in self._segments if segment is not expired]
            if self._filling.get(expired.span) is expired:
                del self._filling[expired.span]
            self._dropped_bits |= expired.bit & ~_bits_of(self._segments)
            self._swept_to = 0
            self._index()
        self._sweep()

    def _begin_segment(self, span: int) -> _Segment:
        # as many as all before, so that there are few segments and not much of them stands empty
        capacity = _SMALLEST_SEGMENT
        while capacity < len(self) and capacity < _LARGEST_SEGMENT:
            capacity *= 2
        in_use = [segment.bit for segment in self._segments]
        bit = min((1 << number for number in range(_BITS)), key=in_use.count)
        # sweeping must not take away what the new segment is about to set
        self._dropped_bits &= ~bit
        segment = _Segment(capacity, bit, span)
        self._segments.append(segment)
        self._filling[span] = segment
        self._index()
        return segment

    def _index(self) -> None:
        # a new list in one assignment: a reader sees the old one or the new one, whole
        self._by_signpost = [
            tuple((segment.table, segment.mask) for segment in reversed(self._segments) if segment.bit & signpost)
            for signpost in range(1 << _BITS)
        ]

    def _sweep(self) -> None:
        """Clear the bits of dropped segments from a part of the filter; until then they cost time, never truth."""
        if not self._dropped_bits:
            return
        part = slice(self._swept_to, self._swept_to + _SWEPT_AT_ONCE)
        kept_bits = bytes(bits & ~self._dropped_bits for bits in range(256))
        signposts = self._signposts[part].translate(kept_bits)
        # hash bits go where no segment is left: one AND over the whole part, as two long integers
        in_use = int.from_bytes(signposts.translate(_ALL_OR_NOTHING), "big")
        hashes = int.from_bytes(self._filter[part], "big") & in_use
        self._signposts[part] = signposts
        self._filter[part] = hashes.to_bytes(len(signposts), "big")
        self._swept_to += _SWEPT_AT_ONCE
        if self._swept_to >= POSITIONS // 8:
            self._dropped_bits = 0


def _bits_of(segments: list[_Segment]) -> int:
    bits = 0
    for segment in segments:
        bits |= segment.bit
    return bits
