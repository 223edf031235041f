"""System checks: each mistake of a project has its id, its words and its hint; a right project has none."""

from __future__ import annotations

import re
import sys
import traceback
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings
from django.urls import clear_script_prefix, include, path, set_script_prefix

from sealring import ConfigurationError
from sealring.frameworks.django import SealringMiddleware
from sealring.frameworks.django.checks import REST, SESSION
from tests.django_project.settings import MIDDLEWARE
from tests.serving import SECRET, cheap_sealring

OURS = MIDDLEWARE[-1]
OTHERS = MIDDLEWARE[:-1]


class OwnMiddleware(SealringMiddleware):
    """A project's own, made of ours."""


def found(**settings: Any) -> list[tuple[str, str, str | None]]:
    with override_settings(**{"SEALRING": {"SECRET": SECRET}} | settings):
        messages = run_checks()
    ours = [one for one in messages if (one.id or "").startswith("sealring.")]
    return [((one.id or "").removeprefix("sealring."), one.msg, one.hint) for one in ours]


def test_a_right_project_is_told_nothing() -> None:
    assert found() == []
    assert found(SEALRING={"AUTH": cheap_sealring()}) == []
    assert found(MIDDLEWARE=[OURS]) == []
    assert found(MIDDLEWARE=[*OTHERS, "tests.frameworks.test_django_checks.OwnMiddleware"]) == []


WRONG: list[tuple[dict[str, Any], str, str, str]] = [
    ({"SEALRING": ["ISSUER"]}, "E001", "SEALRING must be a dict", 'SEALRING = {"ISSUER"'),
    (
        {"SEALRING": {"SECRET": SECRET, "ISUER": "https://shop.example"}},
        "E002", "unknown key 'ISUER' in SEALRING", "did you mean 'ISSUER'?",
    ),
    (
        {"SEALRING": {"SECRET": SECRET, "default_scopes": ["a"]}},
        "E002", "unknown key 'default_scopes'", "did you mean 'DEFAULT_SCOPES'?",
    ),
    (
        {"SEALRING": {"SECRET": SECRET, "SEALRING_ISSUER": "https://shop.example"}},
        "E002", "unknown key 'SEALRING_ISSUER'", "did you mean 'ISSUER'?",
    ),
    ({"SEALRING": {"SECRET": SECRET, "xyz": 1}}, "E002", "unknown key 'xyz'", "the keys are SECRET, "),
    ({"SEALRING": {"SECRET": "short"}}, "E003", "SEALRING_SECRET is too short", "run `sealring secret`"),
    ({"SEALRING": {"SECRET": SECRET, "ISSUER": "shop"}}, "E003", "must be an http or https URL", ""),
    ({"SEALRING": {"AUTH": "x.y", "ISSUER": "x"}}, "E003", "SEALRING has AUTH and ISSUER: two places", "give them to"),
    (
        {"SEALRING": {"SECRET": SECRET, "USER_FIELD": "nofield"}},
        "E003", "USER_FIELD in SEALRING names no field of User: 'nofield'", "username",
    ),
    (
        {"SEALRING_ISSUER": "https://shop.example"},
        "E004", "the setting SEALRING_ISSUER is not read", 'write SEALRING = {"ISSUER": …}',
    ),
    ({"MIDDLEWARE": OTHERS}, "E005", f"MIDDLEWARE lacks {OURS}", "add it at the end"),
    ({"MIDDLEWARE": [*MIDDLEWARE, OURS]}, "E006", f"MIDDLEWARE has {OURS} 2 times", "leave one"),
    ({"MIDDLEWARE": [OURS, *OTHERS]}, "E007", f"{OURS} stands before", "move it to the end of MIDDLEWARE"),
    (
        {"SEALRING": {"SECRET": SECRET, "AUTH_PATH": "/session"}},
        "E008", "the auth routes are at /auth, and AUTH_PATH of SEALRING is /session",
        'SEALRING = {"AUTH_PATH": "/auth"}',
    ),
    (
        {"REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": [SESSION, REST]}},
        "E009", f"{SESSION} stands before {REST}", f"put {REST} first",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "number", "message", "hint"), WRONG)
def test_each_mistake_is_named(settings: dict[str, Any], number: str, message: str, hint: str) -> None:
    [(got, words, what)] = found(**settings)
    assert got == number
    assert message in words
    assert hint in (what or "")


def test_a_setting_in_two_places_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALRING_ISSUER", "https://other.example")
    [(number, words, hint)] = found(SEALRING={"SECRET": SECRET, "ISSUER": "https://shop.example"})
    assert number == "W001"
    assert words == "ISSUER stands in SEALRING and as SEALRING_ISSUER in the environment"
    assert "SEALRING wins" in (hint or "")


class Below:
    """URLs of a project that puts all of its own below one path."""

    urlpatterns = [path("shop/", include([path("auth/", include("sealring.frameworks.django.urls"))]))]  # noqa: RUF012


def test_the_routes_may_hang_anywhere_if_the_setting_says_so() -> None:
    sys.modules.setdefault("below", Below)  # type: ignore[arg-type]
    assert found(ROOT_URLCONF="below", SEALRING={"SECRET": SECRET, "AUTH_PATH": "/shop/auth"}) == []
    [(number, words, _)] = found(ROOT_URLCONF="below")
    assert (number, words) == ("E008", "the auth routes are at /shop/auth, and AUTH_PATH of SEALRING is /auth")


def test_behind_a_script_name_the_setting_says_what_stands_after_it() -> None:
    set_script_prefix("/store/")  # as `django.setup` does with FORCE_SCRIPT_NAME
    try:
        assert found() == []
        [(number, _, hint)] = found(SEALRING={"SECRET": SECRET, "AUTH_PATH": "/store/auth"})
    finally:
        clear_script_prefix()
    assert number == "E008"
    assert 'SEALRING = {"AUTH_PATH": "/auth"}' in (hint or "")


def test_a_project_without_our_routes_is_told_nothing() -> None:
    class Empty:
        urlpatterns: list[Any] = []  # noqa: RUF012

    sys.modules.setdefault("empty_urls", Empty)  # type: ignore[arg-type]
    assert found(ROOT_URLCONF="empty_urls") == []


AT_START = ("E001", "E002", "E003", "E004", "E006", "E007", "E009")


@pytest.mark.parametrize(("settings", "number", "words", "hint"), [row for row in WRONG if row[1] in AT_START])
def test_a_server_does_not_start_with_an_error(settings: dict[str, Any], number: str, words: str, hint: str) -> None:
    assert number
    with override_settings(**{"SEALRING": {"SECRET": SECRET}} | settings):
        with pytest.raises(ConfigurationError, match=re.escape(words)) as refused:
            SealringMiddleware(lambda _: None)
        assert hint in "".join(traceback.format_exception(refused.value)), "the traceback of a server has the hint"


def test_a_right_project_starts() -> None:
    with override_settings(SEALRING={"SECRET": SECRET}):
        SealringMiddleware(lambda _: None)
        with override_settings(MIDDLEWARE=OTHERS):  # one that is made by hand
            SealringMiddleware(lambda _: None)
