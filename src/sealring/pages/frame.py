"""Puts a page together: the frame, its fragment, and what the application says of itself.

Everything in a page is named relative to the page, so it works wherever a proxy or a mount puts the auth routes. What
the application says is escaped: it stands in text and in attributes. A file is found by its exact name in a table, so
no name that a client sends becomes a path of the disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from types import MappingProxyType
from typing import Final

STATIC = files("sealring.pages") / "static"
STYLE: Final = "style.css"
"""The name under which a stylesheet of the application's own is served."""
HTML: Final = "text/html; charset=utf-8"
MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "js": "text/javascript; charset=utf-8",
        "css": "text/css; charset=utf-8",
    }
)

_HEADING = re.compile(r"<h1[^>]*>([^<]+)</h1>")
_PLACE = re.compile(r"{(main|title|name|home|script|style)}")

PAGES: Final = ("login", "register", "account", "forgot", "reset", "verify", "email-undo")
"""The fragment and the module of each have its name; its title is the first heading of the fragment."""


@dataclass(frozen=True, slots=True)
class File:
    """What is served under one name."""

    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The pages of one application.

    >>> pages = Pages(name="Fish & Chips", home="/")
    >>> b"Fish &amp; Chips" in pages.file("login").content
    True
    >>> pages.file("../settings.py") is None
    True
    """

    name: str
    """What the application is called: in the head and the title of each page."""
    home: str
    """The path where the pages lead after a login."""
    style: bytes | None = None
    """A stylesheet of the application's own, which comes after ours."""

    def file(self, name: str) -> File | None:
        """What is served under a name below `/pages`; None where nothing is."""
        if name in PAGES:
            return File(HTML, self._page(name))
        if name == STYLE and self.style is not None:
            return File(MEDIA_TYPES["css"], self.style)
        return _files().get(name)

    def _page(self, name: str) -> bytes:
        said = {
            "main": _fragment(name),
            "title": _title(name),
            "name": escape(self.name),
            "home": escape(self.home),
            "script": f"{name}.js",
            "style": "" if self.style is None else f'<link rel="stylesheet" href="{STYLE}">',
        }
        return _PLACE.sub(lambda place: said[place[1]], _fragment("frame")).encode()  # once: a brace in a name is text


@cache
def _fragment(name: str) -> str:
    return (STATIC / f"{name}.html").read_text(encoding="utf-8")


@cache
def _title(name: str) -> str:
    heading, *_ = _HEADING.findall(_fragment(name))  # one for each step of the page
    return str(heading)


@cache
def _files() -> Mapping[str, File]:
    """Scripts and stylesheets, by name."""
    found = ((file.name, MEDIA_TYPES.get(file.name.rpartition(".")[2]), file) for file in STATIC.iterdir())
    return {name: File(media_type, file.read_bytes()) for name, media_type, file in found if media_type is not None}
