"""A counter of attempts and its size, as a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One counter of attempts, and how many it lets pass in how long."""

    key: str
    limit: int
    window_seconds: int
    owner: str = ""
    """Whose success, or whose operator, empties it together with all others of theirs; nobody's when empty."""
