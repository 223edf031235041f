"""Which language a mail is written in: the lookup of RFC 4647 §3.4 over what a browser asks for. Pure."""

from __future__ import annotations

from collections.abc import Collection

MAX_RANGES = 20
"""Of an Accept-Language field; a browser sends a handful."""


def choose_language(asked: str, available: Collection[str], default: str) -> str:
    """The best of the available languages for an Accept-Language field (RFC 9110 §12.5.4).

    >>> choose_language("de-AT, en;q=0.8", ["de", "en"], "en")
    'de'
    >>> choose_language("fr, *;q=0.1", ["de", "en"], "en")
    'en'
    """
    known = {tag.lower(): tag for tag in available}
    for wanted in _by_weight(asked):
        subtags = wanted.split("-")
        while subtags:
            if (found := known.get("-".join(subtags))) is not None:
                return found
            subtags.pop()
            if subtags and len(subtags[-1]) == 1:  # a singleton belongs to what followed it
                subtags.pop()
    return default


def _by_weight(asked: str) -> list[str]:
    ranges: list[tuple[float, int, str]] = []
    for place, part in enumerate(asked.lower().split(",")[:MAX_RANGES]):
        tag, _, weight = part.partition(";")
        try:
            q = float(weight.strip().removeprefix("q=")) if weight.strip() else 1.0
        except ValueError:
            continue
        if 0 < q <= 1 and tag.strip():
            ranges.append((-q, place, tag.strip()))
    return [tag for _, _, tag in sorted(ranges)]
