"""Writes the figures of the pages: SVG, which every reader of Markdown can show.

A block of Mermaid would be drawn by a script, which the site would have to fetch from another host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args
from xml.sax.saxutils import escape

from scripts.pages import DOCS, ROOT
from sealring.sessions.refresh import TABLE, Step

_STYLE = (
    "text{font:15px system-ui,sans-serif;fill:#1f2430}"
    ".small{font-size:13px;fill:#555e70;paint-order:stroke;stroke:#fff;stroke-width:6px}"
    ".end+.small{stroke:none}"
    ".box{fill:#eef1f8;stroke:#8b97b0}"
    ".end{fill:#f7e4e6;stroke:#a32638}"
    ".line{fill:none;stroke:#8b97b0;stroke-width:1.5;marker-end:url(#head)}"
)
_HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0L8 4L0 8z" fill="#8b97b0"/></marker>'
)
_LEFT, _RIGHT, _WIDE, _HIGH = 30, 500, 130, 36


def refresh() -> str:
    """What becomes of a refresh token, by what it is to the session: `TABLE`, drawn."""
    relations = {name: 70 + 90 * at for at, name in enumerate(TABLE)}
    steps = {name: 50 + 75 * at for at, name in enumerate(get_args(Step))}
    parts = [*_boxes(_LEFT, relations), *_boxes(_RIGHT, steps)]
    for relation, rule in TABLE.items():
        ways = {rule.within: f"within G of {rule.window_opens}", rule.otherwise: "otherwise"}
        if rule.within == rule.otherwise:
            ways = {rule.within: ""}
        for step, words in ways.items():
            parts += _line(relations[relation], steps[step], words)
    return _figure(660, 400, "What becomes of a refresh token", parts)


def _boxes(x: int, names: Mapping[Any, int]) -> Iterator[str]:
    for name, y in names.items():
        kind = "end" if name == "end" else "box"
        yield f'<rect class="{kind}" x="{x}" y="{y - _HIGH // 2}" width="{_WIDE}" height="{_HIGH}" rx="6"/>'
        yield f'<text x="{x + _WIDE // 2}" y="{y + 5}" text-anchor="middle">{escape(name)}</text>'


def _line(start: int, end: int, words: str) -> Iterator[str]:
    x, to = _LEFT + _WIDE, _RIGHT - 2
    middle = (x + to) // 2
    yield f'<path class="line" d="M{x} {start}C{middle} {start} {middle} {end} {to} {end}"/>'
    if words:
        yield f'<text class="small" x="{to - 12}" y="{end - 8}" text-anchor="end">{escape(words)}</text>'


_ACTORS = ("client", "node A", "store", "node B")
_LOGOUT = (
    ("client", "node A", "POST /auth/logout"),
    ("node A", "store", "end, entry 42, audit line"),
    ("store", "node A", "committed: it is on disk"),
    ("node A", "node A", "entry 42 is in force here"),
    ("node A", "client", "204"),
    ("store", "node B", "NOTIFY: a hint, may be lost"),
    ("node B", "store", "what is newer than 41?"),
    ("store", "node B", "entry 42"),
    ("node B", "node B", "entry 42 is in force here"),
    ("client", "node B", "the old access token"),
    ("node B", "client", "401, from memory"),
)
"""Who tells whom what, in their order; a line to oneself is what holds from then on."""


def logout() -> str:
    """The way of a logout from one node to another."""
    places = {name: 80 + 210 * at for at, name in enumerate(_ACTORS)}
    top, step = 70, 44
    bottom = top + step * len(_LOGOUT)
    parts = [f'<path d="M{x} 50V{bottom}" stroke="#c9d0de"/>' for x in places.values()]
    parts += [part for name, x in places.items() for part in _boxes(x - _WIDE // 2, {name: 32})]
    for at, (teller, hearer, words) in enumerate(_LOGOUT):
        start, end, y = places[teller], places[hearer], top + step * at + 26
        if teller == hearer:
            parts.append(f'<rect class="end" x="{start - 95}" y="{y - 20}" width="190" height="28" rx="6"/>')
        else:
            parts.append(f'<path class="line" d="M{start} {y}H{end - 3 if end > start else end + 3}"/>')
        middle, above = (start + end) // 2, -1 if teller == hearer else -10
        parts.append(_centered(middle, y + above, words))
    return _figure(820, bottom + 10, "The way of a logout from one node to another", parts)


def freshness() -> str:
    """The states of a node, by how old what it knows is."""
    at = {"loading": 30, "fresh": 330, "stale": 630}
    parts = [part for name, x in at.items() for part in _boxes(x, {name: 130})]
    below = (("loading", "503 to every check"), ("fresh", "answers from memory"), ("stale", "503 to every check"))
    parts += [_centered(at[name] + _WIDE // 2, 168, words) for name, words in below]
    left, right = at["loading"] + _WIDE, at["fresh"] + _WIDE
    ways = (
        (f"M{left} 124H{at['fresh'] - 2}", 245, 112, "first full load"),
        (f"M{right} 124H{at['stale'] - 2}", 545, 112, "older than S"),
        (f"M{at['stale']} 138H{right + 2}", 545, 158, "a good poll"),
        ("M370 110C370 50 420 50 420 109", 395, 52, "a poll, every half second"),
        ("M395 180C395 225 95 225 95 182", 245, 236, "digest or incarnation do not fit"),
    )
    for path, x, y, words in ways:
        parts += [f'<path class="line" d="{path}"/>', _centered(x, y, words)]
    return _figure(790, 250, "When a node answers", parts)


def _centered(x: int, y: int, words: str) -> str:
    return f'<text class="small" x="{x}" y="{y}" text-anchor="middle">{escape(words)}</text>'


def _figure(width: int, height: int, title: str, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img"><title>{escape(title)}</title><style>{_STYLE}</style><defs>{_HEAD}</defs>'
        f'<rect width="{width}" height="{height}" rx="10" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


WRITTEN: dict[Path, Callable[[], str]] = {
    DOCS / "explanation" / "refresh.svg": refresh,
    DOCS / "explanation" / "logout.svg": logout,
    DOCS / "explanation" / "freshness.svg": freshness,
}
"""Each figure that is written here, and what it should be."""


if __name__ == "__main__":
    for path, figure in WRITTEN.items():
        new = figure()
        if not path.exists() or path.read_text(encoding="utf-8") != new:
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
