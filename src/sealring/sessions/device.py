"""A user agent in three words, for a person who reads a list of their sessions.

The header is the client's own claim and decides nothing; `ua-parser` reads it, bounded, so that a
hostile one costs as little as an honest one.
"""

from __future__ import annotations

from functools import lru_cache

from ua_parser import parse

MAX_READ = 512
"""Real user agents stay under 300 characters."""
MAX_SHOWN = 80


@lru_cache(maxsize=1024)
def describe_device(user_agent: str) -> str:
    """Say "Firefox on Linux", "curl", or "unknown device"."""
    result = parse(user_agent[:MAX_READ])
    browser = result.user_agent.family if result.user_agent else None
    system = result.os.family if result.os else None
    words = " on ".join(word for word in (browser, system) if word and word != "Other")
    return words[:MAX_SHOWN] or "unknown device"
