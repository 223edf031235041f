"""Each tutorial from top to bottom, from an empty folder, as a new user follows it; the browsers' part by HTTP.

`tests/browser/test_tutorials.py` does that part in Chromium.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx2
import pytest

from scripts.pythons import uv
from tests.docs.reader import ROOT, Browsing, Command, File, Reader, steps

TUTORIALS = sorted((ROOT / "docs" / "tutorial").glob("*.md"))
PASSWORD = "correct horse battery"
WORDS_A_MINUTE, MINUTES_A_COMMAND, MINUTES_A_FILE, MINUTES_OF_BROWSING = 200, 0.4, 0.75, 3
"""A calm reader, who copies, looks at what comes back, and looks through each file before saving it."""


def page(name: str) -> str:
    return (ROOT / "docs" / "tutorial" / f"{name}.md").read_text(encoding="utf-8")


def browser(url: str) -> httpx2.Client:
    """With a cookie jar, and with what Chromium says about a request of the page itself."""
    return httpx2.Client(base_url=url, trust_env=False, timeout=30, headers={"Sec-Fetch-Site": "same-origin"})


def log_out_everywhere(url: str, path: str = "/auth/login") -> None:
    """What the buttons of the page do: two browsers log in, one logs out everywhere."""
    credentials = {"username": "ada", "password": PASSWORD}
    with browser(url) as one, browser(url) as other:
        assert "/auth/client.js" in one.get("/").text
        assert one.get("/auth/client.js").status_code == 200
        for each in (one, other):
            answer = (
                each.post(path, data=credentials)
                if path == "/login"
                else each.post(path, json=credentials | {"delivery": "cookie"})
            )
            assert answer.status_code == 200, answer.text
            assert each.get("/auth/live").status_code == 204
            assert each.get("/notes").status_code == 200
        assert one.delete("/auth/sessions").status_code == 204
        assert other.get("/notes").status_code == 401


@pytest.mark.parametrize("name", ["fastapi", pytest.param("flask", marks=pytest.mark.slow)])
def test_a_tutorial_works_from_an_empty_folder(name: str, tmp_path: Path) -> None:
    with Reader(tmp_path, browse=log_out_everywhere) as reader:
        reader.follow(page(name))
        assert {"app.py", "page.html"} == {step.name for step in reader.done if isinstance(step, File)}
        assert sum(isinstance(step, Browsing) for step in reader.done) == 1


def test_the_files_of_the_django_tutorial_pass_the_checks_of_django(tmp_path: Path) -> None:
    """The quick part; the whole page is `slow`."""
    with Reader(tmp_path) as reader:
        for step in steps(page("django")):
            if isinstance(step, Command) and "makemigrations" in step.text:
                break
            reader.do(step)
        reader.do(Command("python manage.py check", "System check identified no issues (0 silenced)."))
        assert sum(isinstance(step, File) for step in reader.done) == 6


@pytest.mark.slow
def test_the_django_tutorial_works_from_an_empty_folder(tmp_path: Path) -> None:
    with Reader(tmp_path, browse=lambda url: log_out_everywhere(url, "/login")) as reader:
        reader.follow(page("django"))
        assert sum(isinstance(step, Browsing) for step in reader.done) == 1


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of this checkout, where pip finds it."""
    tool = uv()
    assert tool, "scripts/environment installs uv"
    folder = tmp_path_factory.mktemp("wheels")
    subprocess.run([tool, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)], check=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_works_with_the_environment_that_it_makes(path: Path, wheels: Path, tmp_path: Path) -> None:
    """With venv and pip as the page says; only the wheel comes from here."""

    def browse(url: str) -> None:
        log_out_everywhere(url, "/login" if path.stem == "django" else "/auth/login")

    settings = {"PIP_FIND_LINKS": str(wheels), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with Reader(tmp_path, browse=browse, installs=True, settings=settings) as reader:
        reader.follow(path.read_text(encoding="utf-8"))
    assert list(tmp_path.glob("*/.venv/lib/python3*/site-packages/sealring/py.typed"))


def test_each_tutorial_is_followed() -> None:
    assert [path.stem for path in TUTORIALS] == ["django", "fastapi", "flask"]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_fits_the_time_that_it_claims(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    claimed = re.search(r"\*\*Time:\*\* (\d+) minutes", text)
    assert claimed
    todo = list(steps(text))
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    needed = len(prose.split()) / WORDS_A_MINUTE
    needed += MINUTES_A_COMMAND * sum(isinstance(step, Command) for step in todo)
    needed += MINUTES_A_FILE * sum(isinstance(step, File) for step in todo)
    needed += MINUTES_OF_BROWSING * sum(isinstance(step, Browsing) for step in todo)
    assert needed <= int(claimed[1])
