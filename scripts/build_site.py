"""Builds the site: lays out the pages in build/pages, lets Zensical make build/site of them, adds what agents read.

Plain Markdown stays the one source. Links to pages outside of docs/ become links to their place on the site, and a file
that a page links to comes along. Beside each page stands its Markdown twin; `llms.txt` lists them (https://llmstxt.org),
and `llms-full.txt` has all of them in one file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from scripts.built import built_faults
from scripts.pages import (
    CONFIGURATION,
    DOCS,
    FENCED,
    LINK,
    ROOT,
    Section,
    faults,
    lead,
    pages,
    place_of,
    sections,
    title,
    unplaced,
)

FRONT = "index.md"
ASSETS = {"seal.svg": ROOT / "src/sealring/demo/static/seal.svg", "site.css": ROOT / "scripts/site.css"}
"""What zensical.toml names besides pages."""


def read_text(page: Path) -> str:
    """The text of a page."""
    return page.read_text(encoding="utf-8")


def check(read: Callable[[Path], str] = read_text) -> list[str]:
    """What is wrong with the pages, so that no site is built of them."""
    found = [f"zensical.toml: {place} must stand in nav once" for place in unplaced()]
    for page in pages():
        found += [f"{page.relative_to(ROOT)}: {words}" for words in faults(page, read(page))]
    return found


def lay_out(folder: Path) -> dict[str, str]:
    """Write the pages and what they link to below a folder; the text of each page by its place."""
    texts = {}
    for page in pages():
        place = place_of(page)
        if place is None:
            continue
        text, files = relinked(page, place)
        texts[place] = text
        for target, file in files.items():
            _write(folder / target, file.read_bytes())
        _write(folder / place, for_zensical(text).encode())
    for name, file in ASSETS.items():
        _write(folder / name, file.read_bytes())
    return texts


def relinked(page: Path, place: str) -> tuple[str, dict[str, Path]]:
    """A page's text with the links that it has on the site, and the files that come along, by their place."""
    files: dict[str, Path] = {}

    def target_of(target: str) -> str:
        path, mark, anchor = target.partition("#")
        linked = (page.parent / path).resolve()
        if not path or not linked.is_relative_to(ROOT) or not linked.is_file():
            return target
        to = FRONT if linked == ROOT / "README.md" else place_of(linked)
        if to is None or linked.suffix != ".md":
            to = (linked.relative_to(DOCS) if linked.is_relative_to(DOCS) else linked.relative_to(ROOT)).as_posix()
            files[to] = linked
        return os.path.relpath(to, PurePosixPath(place).parent) + mark + anchor

    return replaced_links(read_text(page), target_of), files


def replaced_links(text: str, target_of: Callable[[str], str]) -> str:
    """The text with other targets of its links; fenced code stays."""

    def replace(link: re.Match[str]) -> str:
        old = next(filter(None, link.groups()))
        return link[0].replace(old, target_of(old))

    parts, at = [], 0
    for fence in FENCED.finditer(text):
        parts += [LINK.sub(replace, text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, LINK.sub(replace, text[at:])])


def for_zensical(text: str) -> str:
    """The text with what only the generator needs: a description, and code blocks headed as it reads them."""

    def head(fence: re.Match[str]) -> str:
        language, *words = fence[2].split()
        named = [word for word in words if word.startswith("title=") or "." in word]
        names = [f' title="{word.removeprefix("title=").strip(chr(34))}"' for word in named]
        return f"{fence[1]}{language}{''.join(names)}"

    fenced = re.sub(r"^( *```)(\w+ [^\n]*)$", head, text, flags=re.MULTILINE)
    description = lead(text).replace('"', "'")
    return f'---\ndescription: "{description}"\n---\n\n{fenced}'


def llms_txt(texts: dict[str, str]) -> str:
    """All pages by section, each with what it is for, as links to their Markdown."""
    lines = [f"# {title(texts[FRONT])}", "", f"> {lead(texts[FRONT])}"]
    for section in sections():
        lines += ["", f"## {section.title}", "", *_listed(section, texts)]
    return "\n".join(lines) + "\n"


def _listed(section: Section, texts: dict[str, str]) -> Iterator[str]:
    for place in section.pages:
        yield f"- [{title(texts[place])}]({place}): {lead(texts[place])}"


def llms_full_txt(texts: dict[str, str]) -> str:
    """All pages in the order of the navigation, each behind its place."""
    order = [place for section in sections() for place in section.pages]
    return "\n\n".join(f"<!-- {place} -->\n\n{texts[place].strip()}" for place in [FRONT, *order]) + "\n"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def build(folder: Path = ROOT, read: Callable[[Path], str] = read_text) -> list[str]:
    """Build it all below `build` in a folder; what is wrong, in words."""
    if wrong := check(read):
        return wrong
    shutil.rmtree(folder / "build", ignore_errors=True)
    texts = lay_out(folder / "build" / "pages")
    zensical = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(
        [*zensical, "--config-file", folder / CONFIGURATION.name],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return [done.stdout + done.stderr]
    site = folder / "build" / "site"
    (site / "sitemap.xml").unlink()  # empty as long as the site has no address
    for place, text in texts.items():
        _write(site / place, text.encode())
    _write(site / "llms.txt", llms_txt(texts).encode())
    _write(site / "llms-full.txt", llms_full_txt(texts).encode())
    return built_faults(site)


if __name__ == "__main__":
    if found := build():
        sys.exit("\n".join(["the site is not built:", *found]))
    print("built build/site")
