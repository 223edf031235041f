"""The pictures of the pages are those that `scripts/screenshots` takes, small enough to wait for, and all are shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from scripts.pages import pages
from scripts.take_screenshots import FILM, STILLS
from tests.docs.reader import ROOT
from tests.programs import required_program

IMAGES = ROOT / "docs" / "images"
TAKEN = {*STILLS, FILM, Path(FILM).with_suffix(".png").name}
MAX_BYTES = 400_000


def check(folder: Path) -> None:
    """What is in the folder can be shown."""
    assert {path.name for path in folder.iterdir()} == TAKEN
    for path in folder.iterdir():
        assert path.stat().st_size < MAX_BYTES, path.name
        with Image.open(path) as picture:
            assert picture.width >= 500
    with Image.open(folder / FILM) as film:
        assert getattr(film, "n_frames", 1) >= 8, "the mouse moves, the click, the seconds, the end"


def test_the_pictures_in_the_repository_are_those_of_the_script() -> None:
    check(IMAGES)


def test_every_picture_is_on_a_page_with_words_for_those_who_cannot_see_it() -> None:
    texts = [path.read_text(encoding="utf-8") for path in pages()]
    shown = {
        Path(name).name for text in texts for name in re.findall(r"(?:src|srcset)=\"([^\"]*images/[^\"]+)\"", text)
    }
    assert shown == TAKEN
    for text in texts:
        for tag in re.findall(r"<img [^>]*>", text):
            assert re.search(r" alt=\"[^\"]{20,}\"", tag), tag


@pytest.mark.slow
@pytest.mark.browser
def test_the_script_takes_all_pictures(tmp_path: Path) -> None:
    required_program("chromium")
    folder = tmp_path / "images"
    subprocess.run([sys.executable, "scripts/take_screenshots.py", str(folder)], cwd=ROOT, check=True)
    check(folder)
