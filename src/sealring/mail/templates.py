"""Texts of mails: one file for each kind and language, which an application can replace.

`en/reset.txt` begins with `Subject: …`; what follows the empty line is the text, with `$link`, `$code` and the other
names of `string.Template`. The HTML is made of it by `layout.html`, unless there is a `reset.html` beside it. In HTML
every value is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

from sealring.audit.queued_mail import MailKind
from sealring.errors import ConfigurationError

OURS = Path(__file__).parent / "templates"
DEFAULT_LANGUAGE = "en"
VARIABLES = ("service", "link", "code", "link_hours", "code_minutes", "new_email")
"""What may stand in a template after `$`."""


class Rendered(NamedTuple):
    """One mail's texts."""

    subject: str
    text: str
    html: str


class MailTemplates:
    """Our texts, and those of an application's own folder, which come first.

    Args:
        folder: laid out as ours is: `{language}/{kind}.txt`, `{language}/{kind}.html`, `layout.html`; None: ours alone.

    Raises:
        ConfigurationError: there is no such folder, or a file of it cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folders = (OURS,) if folder is None else (folder, OURS)
        if folder is not None:
            _check(folder)
        self.languages = tuple(sorted({path.parent.name for place in self._folders for path in place.glob("*/*.txt")}))
        """Tags of BCP 47 for which there is a text."""

    def render(self, kind: MailKind, language: str, values: Mapping[str, str]) -> Rendered:
        """The texts of one mail, in that language; in English where it has none of this kind."""
        text_file = self._find(f"{language}/{kind}.txt") or self._find(f"{DEFAULT_LANGUAGE}/{kind}.txt")
        if text_file is None:
            raise LookupError(f"no template {kind}.txt")
        subject, text = _parts(text_file)
        plain = Template(text).substitute(values)
        html_file = self._find(f"{text_file.parent.name}/{kind}.html")
        escaped = {name: escape(value) for name, value in values.items()}
        if html_file is not None:
            html = Template(_read(html_file)).substitute(escaped)
        else:
            layout = self._find("layout.html") or OURS / "layout.html"
            html = Template(_read(layout)).substitute(
                escaped | {"language": escape(text_file.parent.name), "body": _paragraphs(text, escaped)}
            )
        return Rendered(Template(subject).substitute(values), plain, html)

    def _find(self, name: str) -> Path | None:
        return next((path for folder in self._folders if (path := folder / name).is_file()), None)


@lru_cache(maxsize=128)
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _parts(path: Path) -> tuple[str, str]:
    head, _, text = _read(path).partition("\n\n")
    return head.removeprefix("Subject:").strip(), text


def _paragraphs(text: str, escaped: Mapping[str, str]) -> str:
    """The text as HTML: a paragraph for each, a link and a code set apart."""
    shown = dict(escaped)
    if escaped.get("link"):
        shown["link"] = f'<a class="button" href="{escaped["link"]}">{escaped["link"]}</a>'
    if escaped.get("code"):
        shown["code"] = f"<strong>{escaped['code']}</strong>"
    paragraphs = (Template(escape(part)).substitute(shown) for part in text.strip().split("\n\n"))
    return "\n".join(f"<p>{part.replace(chr(10), '<br>')}</p>" for part in paragraphs)


def _check(folder: Path) -> None:
    if not folder.is_dir():
        raise ConfigurationError(
            "SEALRING_MAIL_TEMPLATES: must be a folder", hint="as in SEALRING_MAIL_TEMPLATES=mails"
        )
    sample = dict.fromkeys(VARIABLES, "x")
    for path in sorted(folder.glob("*/*.txt")) + sorted(folder.glob("*/*.html")):
        try:
            text = path.read_text(encoding="utf-8")
            Template(text).substitute(sample)
            good = path.suffix == ".html" or (text.startswith("Subject:") and "\n\n" in text)
        except (OSError, ValueError, KeyError):
            good = False
        if not good:
            names = ", ".join(f"${name}" for name in VARIABLES)
            raise ConfigurationError(
                f"SEALRING_MAIL_TEMPLATES: {path.parent.name}/{path.name} cannot be used",
                hint=f"a .txt begins with a line Subject: and an empty one; of names there are {names}; $$ is a dollar",
            )
