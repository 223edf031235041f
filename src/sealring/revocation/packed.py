"""Millions of dead session ids in about twelve bytes each, asked in one memory access.

*Segments* are open-addressing tables of 32-bit marks, filled one after the other; each is dropped
whole when the newest of its entries has expired. No table is ever copied or grown, so nothing
pauses. In front stands the *filter*, a byte per slot and a bit per segment: a zero byte, three times
in four even at ten million entries, says "no" at once; otherwise only the segments whose bit is set
are searched.

Nothing is stored as text, so an answer "dead" can be wrong. It takes a live id whose 25 low bits
name a slot in use (26 % at ten million entries) and whose high 32 bits equal one of about two marks
met on the way: some 1 in 10^10 for each live session, and it passes with the segment. Ids are 128
random bits that only the server chooses, and `hash` of a str is SipHash under a key of this process
(unless PYTHONHASHSEED fixes it), so nobody can aim at it. An answer "alive" is never wrong.
"""

from __future__ import annotations

from typing import Final

FILTER_SLOTS: Final = 1 << 25
FILTER_MASK: Final = FILTER_SLOTS - 1

SEGMENT_SECONDS: Final = 300
"""A segment spans at most this much of expiry time: what is kept too long is at most this share."""

_SMALLEST_SEGMENT: Final = 1 << 17
_LARGEST_SEGMENT: Final = 1 << 21
_BITS: Final = 8
_SWEPT_AT_ONCE: Final = 1 << 21
"""Filter slots cleared of a dropped segment's bit in one go: about two milliseconds."""


class _Segment:
    """One table, half full at most, so that a search ends after two or three slots."""

    __slots__ = ("bit", "capacity", "count", "expires_at", "first_expires_at", "mask", "table")

    def __init__(self, capacity: int, bit: int, expires_at: int) -> None:
        self.capacity = capacity
        self.count = 0
        self.bit = bit
        self.first_expires_at = expires_at
        self.expires_at = expires_at
        self.table = memoryview(bytearray(8 * capacity)).cast("i")
        self.mask = 2 * capacity - 1


class PackedSessions:
    """Dead session ids by their hash. One writer; any number of threads may ask meanwhile."""

    __slots__ = ("_by_flags", "_segments", "_stale_bits", "_swept_to", "filter")

    def __init__(self) -> None:
        self.filter = bytearray(FILTER_SLOTS)
        """By the low bits of the hash: in which segments it may be."""
        self._segments: list[_Segment] = []
        self._by_flags: list[tuple[_Segment, ...]] = [()] * (1 << _BITS)
        self._stale_bits = 0
        self._swept_to = 0

    def __len__(self) -> int:
        return sum(segment.count for segment in self._segments)

    @property
    def nbytes(self) -> int:
        """Bytes of all tables and the filter."""
        return len(self.filter) + sum(segment.table.nbytes for segment in self._segments)

    def add(self, session_id: str, expires_at: int) -> None:
        """Remember the session id at least until `expires_at` (Unix seconds)."""
        segment = self._segments[-1] if self._segments else None
        if (
            segment is None
            or segment.count == segment.capacity
            or abs(expires_at - segment.first_expires_at) > SEGMENT_SECONDS
        ):
            segment = self._begin_segment(expires_at)
        hashed = hash(session_id)
        # bits 10 to 31 choose the place, 32 to 63 are the mark; 0 is an empty place
        mark = hashed >> 32 or 1
        place = hashed >> 10 & segment.mask
        table = segment.table
        while (found := table[place]) and found != mark:
            place = place + 1 & segment.mask
        segment.expires_at = max(segment.expires_at, expires_at)
        if not found:
            segment.count += 1
            # the table before the filter: whoever sees the bit finds the mark
            table[place] = mark
        self.filter[hashed & FILTER_MASK] |= segment.bit

    def holds(self, hashed: int, flags: int) -> bool:
        """Tell whether an id of that hash is dead; `flags` is its byte of the filter."""
        mark = hashed >> 32 or 1
        for segment in self._by_flags[flags]:
            table, mask = segment.table, segment.mask
            place = hashed >> 10 & mask
            while found := table[place]:
                if found == mark:
                    return True
                place = place + 1 & mask
        return False

    def forget(self, now: int) -> None:
        """Drop the segments all of whose entries have expired at `now` (Unix seconds)."""
        kept = [segment for segment in self._segments if segment.expires_at > now]
        if len(kept) != len(self._segments):
            dropped = _bits_of(self._segments)
            self._segments = kept
            self._stale_bits |= dropped & ~_bits_of(kept)
            self._swept_to = 0
            self._index()
        self._sweep()

    def _begin_segment(self, expires_at: int) -> _Segment:
        # as many as all before, so that their number stays small while the sum is
        capacity = _SMALLEST_SEGMENT
        while capacity < len(self) and capacity < _LARGEST_SEGMENT:
            capacity *= 2
        in_use = [segment.bit for segment in self._segments]
        bit = min((1 << number for number in range(_BITS)), key=in_use.count)
        # sweeping must not take away what the new segment is about to set
        self._stale_bits &= ~bit
        segment = _Segment(capacity, bit, expires_at)
        self._segments.append(segment)
        self._index()
        return segment

    def _index(self) -> None:
        # a new list in one assignment: a reader sees the old one or the new one, whole
        self._by_flags = [
            tuple(segment for segment in reversed(self._segments) if segment.bit & flags) for flags in range(1 << _BITS)
        ]

    def _sweep(self) -> None:
        """Clear the bits of dropped segments from a part of the filter; until then they cost time, never truth."""
        if not self._stale_bits:
            return
        part = slice(self._swept_to, self._swept_to + _SWEPT_AT_ONCE)
        kept_bits = bytes(flags & ~self._stale_bits for flags in range(1 << _BITS))
        self.filter[part] = self.filter[part].translate(kept_bits)
        self._swept_to += _SWEPT_AT_ONCE
        if self._swept_to >= FILTER_SLOTS:
            self._stale_bits = 0


def _bits_of(segments: list[_Segment]) -> int:
    bits = 0
    for segment in segments:
        bits |= segment.bit
    return bits
