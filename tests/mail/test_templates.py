"""Texts of mails: every kind in every language, folders of an application's own, values that stay values."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import get_args

import pytest

from sealring import ConfigurationError
from sealring.audit.queued_mail import MailKind
from sealring.mail.languages import choose_language
from sealring.mail.templates import OURS, VARIABLES, MailTemplates

VALUES = {name: f"[{name}]" for name in VARIABLES}
LINKED = {"verify", "reset", "change", "changed", "taken", "login"}
CODED = {"verify", "reset", "change", "login"}


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("kind", get_args(MailKind))
def test_every_kind_is_there_in_every_language(kind: MailKind, language: str) -> None:
    assert (OURS / language / f"{kind}.txt").is_file()
    mail = MailTemplates().render(kind, language, VALUES)
    assert "[service]" in mail.subject
    assert "\n" not in mail.subject
    for body in (mail.text, mail.html):
        assert ("[link]" in body, "[code]" in body) == (kind in LINKED, kind in CODED)
        assert "$" not in body
    assert f'<html lang="{language}">' in mail.html


def test_the_languages_say_the_same_things() -> None:
    for kind in get_args(MailKind):
        names = [set(Template((OURS / tag / f"{kind}.txt").read_text()).get_identifiers()) for tag in ("en", "de")]
        assert names[0] == names[1], kind


def test_a_value_is_no_markup_and_no_template() -> None:
    mail = MailTemplates().render("changed", "en", VALUES | {"new_email": "<script>$link&amp;"})
    assert "<script>$link&amp;" in mail.text
    assert "&lt;script&gt;$link&amp;amp;" in mail.html
    assert "<script>" not in mail.html


def test_a_folder_of_ones_own_comes_first_and_may_have_more_languages(tmp_path: Path) -> None:
    (tmp_path / "fr").mkdir()
    (tmp_path / "en").mkdir()
    (tmp_path / "fr" / "reset.txt").write_text("Subject: Mot de passe\n\nOuvrez $link\n")
    (tmp_path / "en" / "reset.html").write_text("<b>$code</b>")
    templates = MailTemplates(tmp_path)
    assert templates.languages == ("de", "en", "fr")
    assert templates.render("reset", "fr", VALUES)[:2] == ("Mot de passe", "Ouvrez [link]\n")
    assert templates.render("reset", "en", VALUES).html == "<b>[code]</b>"
    assert templates.render("verify", "fr", VALUES) == MailTemplates().render("verify", "en", VALUES)


@pytest.mark.parametrize("text", ["no subject\n\nx", "Subject: x", "Subject: x\n\n$username", "Subject: x\n\n$ 5", ""])
def test_a_text_that_could_not_be_sent_is_an_error_at_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "reset.txt").write_text(text)
    with pytest.raises(ConfigurationError, match=r"SEALRING_MAIL_TEMPLATES: en/reset.txt cannot be used"):
        MailTemplates(tmp_path)
    with pytest.raises(ConfigurationError, match="must be a folder"):
        MailTemplates(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("de-Latn-AT-x-private", "de"),
        ("fr, en;q=0.5, de;q=0.9", "de"),
        ("de;q=0, en", "en"),
        ("de;q=zero, *", "en"),
        (";q=1,,de", "de"),
        ("pt-BR, de", "pt"),
        ("x" * 5000, "en"),
    ],
)
def test_the_language_is_looked_up_as_rfc_4647_says(asked: str, language: str) -> None:
    assert choose_language(asked, ["de", "en", "pt"], "en") == language
