"""The pages that people read, their links, and their order on the site. It reads Markdown and builds nothing.

`faults` says what is wrong with the links of a page, `unplaced` which pages the navigation in `zensical.toml` lacks.
The ordinary tests ask both, and `scripts/site` before it builds.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CONFIGURATION = ROOT / "zensical.toml"

BESIDE: Mapping[str, str] = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "examples/django-drf/README.md": "examples/django-drf.md",
    "examples/fastapi-react/README.md": "examples/fastapi-react.md",
    "examples/services/README.md": "examples/services.md",
}
"""Pages of the site that stand elsewhere than in docs/, with their place on it."""
NOT_ON_THE_SITE = ("README.md", "clients/js/README.md")

FENCED = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2`*$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LINK = re.compile(
    r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)|^ {0,3}\[[^\]]+\]: (\S+)$|\b(?:src|srcset|href|poster)=\"([^\"]+)\"", re.MULTILINE
)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
LEAD_CHARACTERS = 240
_ABSOLUTE = ("https://", "http://127.0.0.1", "http://localhost", "mailto:")


def pages() -> list[Path]:
    """All pages: those of docs/, and those that stand beside what they are about."""
    return [*(ROOT / name for name in (*NOT_ON_THE_SITE, *BESIDE)), *sorted(DOCS.rglob("*.md"))]


def place_of(page: Path) -> str | None:
    """A page's path on the site; None where it has none."""
    if page.is_relative_to(DOCS):
        return page.relative_to(DOCS).as_posix()
    return BESIDE.get(page.relative_to(ROOT).as_posix())


def links(text: str) -> Iterator[str]:
    """The targets of all links and images of a page, in Markdown or HTML; code has none."""
    prose = _CODE.sub("", _COMMENT.sub("", FENCED.sub("", text)))
    for found in LINK.finditer(prose):
        yield next(filter(None, found.groups()))


def anchors(text: str) -> set[str]:
    """Where links into a page may go: only what the site and the forges that show Markdown call by one name."""
    heads = [_plain(one) for one in _HEADING.findall(FENCED.sub("", text))]
    on_site = _numbered(map(_slug_on_site, heads), "_")
    on_forge = _numbered(map(_slug_on_forge, heads), "-")
    same = {one for one, other in zip(on_site, on_forge, strict=True) if one == other}
    return same | set(re.findall(r"<[^>]+\bid=\"([^\"]+)\"", text))


def _numbered(slugs: Iterable[str], mark: str) -> Iterator[str]:
    seen: dict[str, int] = {}
    for slug in slugs:
        count = seen[slug] = seen.get(slug, -1) + 1
        yield f"{slug}{mark}{count}" if count else slug


def _slug_on_site(heading: str) -> str:
    """As Python-Markdown's extension `toc` does."""
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def _slug_on_forge(heading: str) -> str:
    """As GitHub does."""
    return re.sub(r"[^\w\s-]", "", heading.strip().lower()).replace(" ", "-")


@cache
def _anchors_of(page: Path) -> set[str]:
    return anchors(page.read_text(encoding="utf-8"))


def faults(page: Path, text: str) -> list[str]:
    """What is wrong with the links of a page, in words."""
    return [f"{target}: {words}" for target in links(text) if (words := _fault(page, text, target))]


def _fault(page: Path, text: str, target: str) -> str:
    if _SCHEME.match(target):
        return "" if target.startswith(_ABSOLUTE) else "neither https nor a path"
    path, _, anchor = target.partition("#")
    if path.startswith("/"):
        return "begins with a slash; name the path from this page"
    linked = (page.parent / path).resolve() if path else page
    if not linked.is_relative_to(ROOT) or not linked.exists():
        return "there is no such file"
    if linked.is_dir():
        return "is a folder; the site can show files only"
    if not anchor:
        return ""
    known = anchors(text) if linked == page else _anchors_of(linked)
    return "" if anchor in known else "there is no such heading, or the site and a forge call it differently"


class Section(NamedTuple):
    """A part of the navigation: its title, and its pages by their place."""

    title: str
    pages: list[str]


def sections(configuration: Path = CONFIGURATION) -> list[Section]:
    """The parts of the navigation, in order. Its first entry, the front page, is in none."""
    project: dict[str, Any] = tomllib.loads(configuration.read_text(encoding="utf-8"))["project"]
    parts = [part for part in project["nav"] if isinstance(part, dict)]
    return [Section(name, list(_leaves(below))) for part in parts for name, below in part.items()]


def navigation(configuration: Path = CONFIGURATION) -> list[str]:
    """The pages of the site in the order of the navigation, by their place."""
    project: dict[str, Any] = tomllib.loads(configuration.read_text(encoding="utf-8"))["project"]
    return list(_leaves(project["nav"]))


def _leaves(nodes: list[Any] | str) -> Iterator[str]:
    if isinstance(nodes, str):
        yield nodes
        return
    for node in nodes:
        for below in [node] if isinstance(node, str) else node.values():
            yield from _leaves(below)


def unplaced(configuration: Path = CONFIGURATION) -> list[str]:
    """Where the pages and the navigation differ: pages that are missing there, twice there, or not pages at all."""
    have = sorted(place for page in pages() if (place := place_of(page)) is not None)
    named = sorted(navigation(configuration))
    return sorted({*[one for one in have if named.count(one) != 1], *[one for one in named if one not in have]})


def title(text: str) -> str:
    """A page's title: its first heading."""
    found = _HEADING.search(FENCED.sub("", text))
    return _plain(found[1]) if found else ""


def lead(text: str) -> str:
    """What a page is for: the first sentences below its title; empty where it begins with something else."""
    below = _COMMENT.sub("", text[text.index("# ") :]).partition("\n")[2] if "# " in text else ""
    paragraph = below.strip().partition("\n\n")[0]
    if not paragraph or paragraph.startswith(("```", "|", "#", "- ", "> ", "<", "!")):
        return ""
    words = " ".join(_plain(paragraph).split())
    first, *others = re.split(r"(?<=[.:!?]) (?=[A-Z`])", words)
    for sentence in others:
        if len(first) + len(sentence) > LEAD_CHARACTERS or sentence.endswith(":"):
            break
        first += f" {sentence}"
    return re.sub(r":$", ".", first)


def _plain(text: str) -> str:
    """Text without the marks of Markdown."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "").replace("**", "")
