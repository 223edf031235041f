"""The pictures of the README and of the site, from the running demo in Chromium; called by `scripts/screenshots`.

Stills show the page as it is. The moving picture shows two browsers of one user, where one ends the session of the
other. Both are real, and so is the time that it shows. Pillow only puts the frames into one file.
"""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

NAME, PASSWORD = "ada", "seven blue otters sing"
START_WITHIN_SECONDS = 30
SCALE = 1.5
"""Pixels of a picture for one of the page, so that it stays sharp on most screens and small in the repository."""

LAPTOP = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Safari/605.1.15"
)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


@dataclass(frozen=True)
class Window:
    """A browser: the size of its page, what it says that it is, and its color scheme."""

    width: int
    height: int
    agent: str = LAPTOP
    scheme: Literal["light", "dark"] = "light"


STILLS = {
    "page.png": Window(1180, 800),
    "page-dark.png": Window(1180, 800, scheme="dark"),
    "page-phone.png": Window(390, 800, agent=PHONE),
}
FILM = "ends-everywhere.webp"
LEFT, RIGHT = Window(600, 560), Window(340, 560, agent=PHONE)
"""The two browsers of the moving picture."""
LOOK_EVERY_SECONDS = 0.25
NOTICED_WITHIN_SECONDS = 10

STAGE = f"""<!doctype html>
<meta charset="utf-8">
<style>
  body {{ margin: 0; padding: 14px 16px 16px; width: {LEFT.width + RIGHT.width + 16}px; color: #fff;
    background: #12201d; font: 19px/1.3 sans-serif; }}
  p {{ margin: 0 0 12px 4px; height: 1.3em; }}
  div {{ display: flex; gap: 16px; }}
  figure {{ position: relative; margin: 0; padding-top: 24px; background: #3a4c47; border-radius: 8px;
    overflow: hidden; }}
  figcaption {{ position: absolute; inset: 4px 10px auto; font-size: 12px; color: #dfe8e5; }}
  img {{ display: block; height: {LEFT.height}px; }}
  svg {{ position: absolute; width: 22px; height: 30px; }}
</style>
<p></p>
<div>
  <figure><figcaption>Laptop</figcaption><img id="left">
    <svg viewBox="0 0 24 32"><path d="M2 2v24l6-6 4 9 4-2-4-9h8z" fill="#fff" stroke="#000" stroke-width="1.5"/></svg>
  </figure>
  <figure><figcaption>Phone</figcaption><img id="right"></figure>
</div>"""
SHOW = """async ([words, left, right, cursor]) => {
  document.querySelector("p").textContent = words;
  document.querySelector("#left").src = left;
  document.querySelector("#right").src = right;
  const { style } = document.querySelector("svg");
  style.display = cursor === null ? "none" : "block";
  if (cursor !== null) [style.left, style.top] = [`${cursor[0]}px`, `${cursor[1] + 24}px`];
  await Promise.all([...document.images].map((image) => image.decode()));
}"""


@dataclass
class Film:
    """Frames, each with how long it is shown."""

    stage: Page
    left: Page
    right: Page
    frames: list[Image.Image] = field(default_factory=list)
    milliseconds: list[int] = field(default_factory=list)

    def take(self, words: str, milliseconds: int, cursor: tuple[float, float] | None = None) -> None:
        """Both pages as they are now, with a line of text, and the mouse over the left one."""
        self.stage.evaluate(SHOW, [words, data_url(self.left), data_url(self.right), cursor])
        frame = Image.open(io.BytesIO(self.stage.locator("body").screenshot())).convert("RGB")
        self.frames.append(frame)
        self.milliseconds.append(milliseconds)

    def save(self, path: Path) -> None:
        """As an animation, and its last frame as a still for readers who want nothing to move."""
        first, *others = self.frames
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=self.milliseconds,
            loop=0,
            quality=60,
            method=6,
            minimize_size=True,
        )
        save_still(self.frames[-1], path.with_suffix(".png"))


def data_url(page: Page) -> str:
    """The page as it looks now."""
    return f"data:image/png;base64,{base64.b64encode(page.screenshot()).decode()}"


def save_still(picture: Image.Image, path: Path) -> None:
    """With a palette: the page has few colors."""
    picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


@contextmanager
def demo() -> Iterator[str]:
    """`sealring serve` in an empty folder; its address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEALRING_")}
    with tempfile.TemporaryDirectory(prefix="sealring-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", "from sealring.cli import main; main()", "serve", "--port", "0"],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=output,
            )
        try:
            yield address(process, log)
        finally:
            process.terminate()
            process.wait(30)


def address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the demo says that it is, once it is ready."""
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while True:
        said = log.read_text(errors="replace")
        found = re.search(r"Sealring is at (http://\S+)", said)
        if found and is_ready(found[1]):
            return found[1]
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"sealring: error: the demo did not start\n{said}")
        time.sleep(0.05)


def is_ready(url: str) -> bool:
    """Whether the demo can check tokens."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=1) as answer:  # noqa: S310 - loopback, our own server
            return bool(answer.status == 200)  # noqa: PLR2004 - OK
    except OSError:
        return False


def open_window(chromium: Browser, window: Window) -> Page:
    """A browser with a cookie jar of its own."""
    context = chromium.new_context(
        viewport={"width": window.width, "height": window.height},
        user_agent=window.agent,
        color_scheme=window.scheme,
        device_scale_factor=SCALE,
        reduced_motion="reduce",
        locale="en-US",
        timezone_id="UTC",
    )
    return context.new_page()


def enter(page: Page, url: str, form: Literal["register", "login"]) -> Page:
    """Sign up or in, and wait until everything is there."""
    page.goto(f"{url}/#sign-up" if form == "register" else url)
    fields = page.locator(f"#{form}")
    fields.get_by_label("Username").fill(NAME)
    fields.get_by_label("Password", exact=True).fill(PASSWORD)
    fields.locator("button.main").click()
    settle(page)
    return page


def leave(page: Page) -> None:
    """Sign out, so that the next picture shows no session of this one."""
    page.locator("#sign-out").click()
    expect(page.locator("#login")).to_be_visible()
    page.context.close()


def settle(page: Page) -> None:
    """Wait until all of the page is there, and nothing is marked by keyboard or mouse."""
    expect(page.locator("#orders tbody tr")).to_have_count(3)
    expect(page.locator("#sessions li").first).to_be_visible()
    expect(page.locator("#countdown")).to_contain_text(":")
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")


def take_stills(chromium: Browser, url: str, folder: Path) -> None:
    """The page of a user who is signed in on two devices."""
    for name, window in STILLS.items():
        other = enter(open_window(chromium, RIGHT if window.agent == LAPTOP else LEFT), url, "login")
        page = enter(open_window(chromium, window), url, "login")
        save_still(Image.open(io.BytesIO(page.screenshot())), folder / name)
        leave(page)
        leave(other)


def take_film(chromium: Browser, url: str, folder: Path) -> None:
    """A laptop ends the session of a phone."""
    right = enter(open_window(chromium, RIGHT), url, "login")
    left = enter(open_window(chromium, LEFT), url, "login")
    stage = open_window(chromium, Window(LEFT.width + RIGHT.width + 48, LEFT.height + 100))
    stage.set_content(STAGE)
    film = Film(stage, left, right)
    button = left.locator("#sessions li button")
    button.evaluate("e => e.scrollIntoView({block: 'center'})")
    to = center(button)
    film.take("Ada is signed in on a laptop and on a phone.", 2200)
    for share in (0.0, 0.35, 0.65, 0.85, 1.0):
        way = (LEFT.width * 0.9 * (1 - share) + to[0] * share, LEFT.height * 0.9 * (1 - share) + to[1] * share)
        film.take("On the laptop she ends the session of the phone.", 140, way)
    film.take("On the laptop she ends the session of the phone.", 900, to)
    button.click()
    begun = time.monotonic()
    while not right.locator("#login").is_visible():
        if time.monotonic() > begun + NOTICED_WITHIN_SECONDS:
            sys.exit("sealring: error: the phone did not notice the end of its session")
        film.take(f"{time.monotonic() - begun:.1f} s later …", round(LOOK_EVERY_SECONDS * 1000), to)
        time.sleep(LOOK_EVERY_SECONDS)
    film.take("The phone's session has ended: on every server, and on the phone.", 4000)
    film.save(folder / FILM)


def center(element: Locator) -> tuple[float, float]:
    """Where the mouse clicks it."""
    box = element.bounding_box()
    if box is None:
        sys.exit("sealring: error: the page does not show the button that ends a session")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def main(folder: Path) -> None:
    """Take all pictures."""
    executable = shutil.which("chromium")
    if executable is None:
        sys.exit("sealring: error: chromium is missing\nhint: apt-get install chromium")
    folder.mkdir(parents=True, exist_ok=True)
    with demo() as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        leave(enter(open_window(chromium, LEFT), url, "register"))
        take_stills(chromium, url, folder)
        take_film(chromium, url, folder)
        chromium.close()
    for picture in sorted(folder.iterdir()):
        print(f"{picture} {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
