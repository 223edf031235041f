"""The frame of the pages: what the application says is text in it, and a name of a client is no path."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from sealring.pages.frame import PAGES, STATIC, Pages

NAMES = sorted(PAGES)
EVIL = "\"'><script>alert(1)</script>{home}{main}"


class Document(HTMLParser):
    """What a document loads, names and says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self.ids: list[str] = []
        self.described: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.inline += [name for name in found if name.startswith("on") or name == "style"]
        self.ids += [found["id"]] if "id" in found else []
        for name in ("aria-describedby", "aria-labelledby", "aria-controls", "for"):
            self.described += found.get(name, "").split()
        if tag == "script":
            self.loaded.append(found.get("src", ""))
        elif tag in {"link", "img", "iframe"}:
            self.loaded.append(found.get("href") or found.get("src", ""))
        elif tag == "style":
            self.inline.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def page(name: str, pages: Pages | None = None) -> str:
    found = (pages or Pages(name="Shop", home="/")).file(name)
    assert found is not None
    return found.content.decode()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_and_loads_from_beside_itself_alone(name: str) -> None:
    document = Document(page(name))
    assert document.inline == []
    assert f"{name}.js" in document.loaded
    assert len(document.ids) == len(set(document.ids))
    assert set(document.described) <= set(document.ids)
    for link in document.loaded:
        assert re.fullmatch(r"(?:\.\./)?[a-z-]+\.(?:js|css)", link), link
    assert "{" not in page(name)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_application_says_of_itself_is_text(name: str) -> None:
    document = Document(page(name, Pages(name=EVIL, home="/")))
    assert document.loaded == Document(page(name)).loaded
    assert document.text.count(EVIL) == 2  # the title and the head
    assert 'href="/a&quot;b"' in page(name, Pages(name="Shop", home='/a"b'))


def test_a_stylesheet_of_the_application_comes_after_ours() -> None:
    branded = Pages(name="Shop", home="/", style=b":root { --accent: teal }")
    assert Document(page("login", branded)).loaded[:2] == ["pages.css", "style.css"]
    found = branded.file("style.css")
    assert found is not None
    assert found.content == branded.style
    assert Pages(name="Shop", home="/").file("style.css") is None


@pytest.mark.parametrize("name", ["", "frame", "login.html", "frame.html", "../frame.py", "%2e%2e", "LOGIN", "login/"])
def test_only_names_of_the_table_are_served(name: str) -> None:
    assert Pages(name="Shop", home="/").file(name) is None


def test_every_module_that_is_imported_is_served_and_every_one_is_used() -> None:
    pages, seen = Pages(name="Shop", home="/"), set[str]()
    wanted = [f"{name}.js" for name in PAGES]
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        found = pages.file(name)
        assert found is not None, name
        targets = re.findall(r"""(?:\bfrom|import\()\s*["']([^"']+)["']""", found.content.decode())
        assert all(target == "../client.js" or target.startswith("./") for target in targets), (name, targets)
        wanted += [target.removeprefix("./") for target in targets if target.startswith("./")]
    assert seen == {file.name for file in STATIC.iterdir() if file.name.endswith(".js")}
