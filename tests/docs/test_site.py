"""The site: built of the pages as they are, whole, without a link that leads nowhere or a request to another host."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.build_site import build, for_zensical, relinked
from scripts.built import built_faults, read_page
from scripts.pages import BESIDE, DOCS, ROOT, lead, links, navigation, pages, place_of, sections, title
from tests.docs.built_site import built_site

pytestmark = pytest.mark.xdist_group("site")


@pytest.fixture
def site() -> Path:
    """The folder of the site."""
    return built_site()


def test_every_page_has_its_html_and_its_markdown(site: Path) -> None:
    for place in navigation():
        html = (site / place).with_suffix(".html").read_text(encoding="utf-8")
        markdown = (site / place).read_text(encoding="utf-8")
        assert title(markdown) in re.sub(r"<[^>]+>|&\w+;", "", html)
        assert "---" not in markdown.splitlines()[:1], "what the generator needs is not in the twin"


def test_a_twin_is_the_page_with_links_of_the_site(site: Path) -> None:
    for page in pages():
        if (place := place_of(page)) is not None and page.is_relative_to(DOCS):
            text = page.read_text(encoding="utf-8")
            assert len((site / place).read_text(encoding="utf-8").splitlines()) == len(text.splitlines())
    for place in navigation():
        twin = site / place
        for target in links(twin.read_text(encoding="utf-8")):
            if ":" not in target and not target.startswith("#"):
                linked = (twin.parent / target.partition("#")[0]).resolve()
                assert linked.is_relative_to(site), f"{place}: {target}"
                assert linked.is_file(), f"{place}: {target}"


def test_images_and_files_that_a_page_links_to_come_along(site: Path) -> None:
    figure = "explanation/refresh.svg"
    assert (site / figure).read_bytes() == (DOCS / figure).read_bytes()
    files = relinked(DOCS / "how-to/many-nodes.md", "how-to/many-nodes.md")[1]
    assert files
    for place, file in files.items():
        assert (site / place).read_bytes() == file.read_bytes()


def test_llms_txt_lists_every_page_with_what_it_is_for(site: Path) -> None:
    text = (site / "llms.txt").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[(.+)\]\((.+?)\): (.+)$", text, re.MULTILINE)
    assert [place for _, place, _ in listed] == navigation()[1:]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [section.title for section in sections()]
    assert text.startswith(f"# Sealring\n\n> {lead((DOCS / 'index.md').read_text(encoding='utf-8'))}\n\n## ")
    full = (site / "llms-full.txt").read_text(encoding="utf-8")
    for place in navigation():
        assert f"<!-- {place} -->\n\n{(site / place).read_text(encoding='utf-8').strip()}\n" in full


def test_code_that_is_not_for_running_alone_is_highlighted_too(site: Path) -> None:
    """Words behind the language of a block are for our tests; the generator would show the block as text."""
    for path in site.rglob("*.html"):
        assert "```" not in path.read_text(encoding="utf-8"), path.name


def test_nothing_is_asked_of_another_host(site: Path) -> None:
    for path in site.rglob("*.html"):
        fetched = read_page(path.read_text(encoding="utf-8")).fetched
        assert fetched
        assert not [target for target in fetched if "//" in target.partition("?")[0]], path.name
    for path in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//", path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<img src="nowhere.png">', "no such file"),
        ('<a href="nowhere.html">a</a>', "no such file"),
        ('<a href="../outside.html">a</a>', "no such file"),
        ('<a href="#nowhere">a</a>', "no such anchor"),
        ('<a href="other.html#nowhere">a</a>', "no such anchor"),
        ('<a href="/other.html">a</a>', "begins with a slash"),
        ('<link rel="stylesheet" href="https://fonts.example/a.css">', "fetched from another host"),
        ('<script src="//cdn.example/a.js"></script>', "fetched from another host"),
        ('<img src="http://images.example/a.png">', "fetched from another host"),
        ('<iframe src="https://video.example/a"></iframe>', "fetched from another host"),
    ],
)
def test_a_fault_of_a_built_page_is_found(tmp_path: Path, body: str, words: str) -> None:
    tmp_path.joinpath("other.html").write_text('<p id="here">', encoding="utf-8")
    tmp_path.joinpath("page.html").write_text(body, encoding="utf-8")
    (fault,) = built_faults(tmp_path)
    assert words in fault
    assert fault.startswith("page.html: ")


def test_a_good_page_has_no_fault(tmp_path: Path) -> None:
    tmp_path.joinpath("other.html").write_text('<p id="here">', encoding="utf-8")
    good = '<a href="other.html#here">a</a> <a href="https://example.com">b</a> <img src="data:image/png;base64,AA==">'
    tmp_path.joinpath("page.html").write_text(good, encoding="utf-8")
    tmp_path.joinpath("404.html").write_text('<a href="/other.html">a</a>', encoding="utf-8")
    assert built_faults(tmp_path) == []


def test_a_broken_page_stops_the_build(tmp_path: Path) -> None:
    def read(page: Path) -> str:
        return "[b](nowhere.md)" if page.name == "SECURITY.md" else ""

    assert build(tmp_path, read) == ["SECURITY.md: nowhere.md: there is no such file"]
    assert not tmp_path.joinpath("build").exists()


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_says_at_its_top_what_it_is_for(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert title(text)
    assert lead(text), "a sentence below the title: for whom the page is, and what one has at its end"


def test_the_lead_of_a_page_is_its_first_sentences() -> None:
    assert lead("# A\n\nFor `b` and [c](d.md). Then e.\n\nMore.\n") == "For b and c. Then e."
    assert lead("# A\n\nFor b.\nDo this:\n\n```sh\n```\n") == "For b."
    assert lead("# A\n\nDo this:\n") == "Do this."
    assert lead("# A\n\n```sh\n```\n") == ""
    assert lead(f"# A\n\nFor b. {'C' * 300}.\n") == "For b."


def test_blocks_have_a_language_and_a_name_that_the_generator_reads() -> None:
    text = for_zensical(
        '# A\n\nFor b.\n\n```python test_a.py\n```\n\n```python no-run\n```\n\n```html title="a/b.html"\n```\n'
        '\n```ini title="environment"\n```\n'
    )
    assert '```python title="test_a.py"\n' in text
    assert '```html title="a/b.html"\n' in text
    assert '```ini title="environment"\n' in text
    assert "```python\n" in text
    assert text.startswith('---\ndescription: "For b."\n---\n')


def test_links_of_pages_outside_of_docs_are_those_of_the_site() -> None:
    for name, place in BESIDE.items():
        text, _ = relinked(ROOT / name, place)
        assert "](docs/" not in text
        assert "](../../docs/" not in text
