"""What is wrong with a built site: links and anchors that lead nowhere, and anything fetched from another host."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_FETCHED = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
"""What a browser fetches by itself."""
NOT_FOUND = "404.html"
"""Shown at any path, so its links begin at the root of the host."""


class Page(NamedTuple):
    """What a page of HTML refers to, and what may be referred to in it."""

    fetched: list[str]
    linked: list[str]
    ids: set[str]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page([], [], set())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if not value:
                continue
            if name == "id":
                self.page.ids.add(value)
            if name in _FETCHED.get(tag, ()):
                self.page.fetched.append(value)
            elif tag == "a" and name == "href":
                self.page.linked.append(value)


def read_page(text: str) -> Page:
    """A page's references and ids."""
    reader = _Reader()
    reader.feed(text)
    return reader.page


def built_faults(site: Path) -> list[str]:
    """Every reference of every page that does not lead where it should, in words."""
    pages = {path: read_page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    return [
        f"{path.relative_to(site)}: {target}: {words}"
        for path, page in pages.items()
        for target in [*page.fetched, *page.linked]
        if (words := _fault(site, path, target, pages))
    ]


def _fault(site: Path, path: Path, target: str, pages: dict[Path, Page]) -> str:
    parts = urlsplit(target)
    if parts.netloc or parts.scheme:
        return "fetched from another host" if target in pages[path].fetched and parts.scheme != "data" else ""
    if parts.path.startswith("/") and path != site / NOT_FOUND:
        return "begins with a slash: the site may stand below a path"
    linked = (path.parent / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
    if linked.is_dir():
        linked /= "index.html"
    if not linked.is_relative_to(site) or not linked.is_file():
        return "there is no such file"
    if parts.fragment and linked in pages and unquote(parts.fragment) not in pages[linked].ids:
        return "there is no such anchor"
    return ""
