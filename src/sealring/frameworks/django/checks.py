"""System checks: what is wrong with the setting, the middleware and the URLs, said before the first request.

`manage.py check`, `runserver` and `migrate` run them. A server runs none, so the middleware is not made, and the server
does not start, while there is an error that is known without the URLs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.module_loading import import_string

from sealring.errors import ConfigurationError
from sealring.frameworks.django.configuration import (
    OWN_KEYS,
    PREFIX,
    SETTING,
    configuration,
    get_sealring,
    read_setting,
    setting_keys,
    unknown_keys,
)
from sealring.frameworks.django.middleware import SealringMiddleware

__all__ = ["check_middleware", "check_rest_framework", "check_setting", "check_urls", "refuse_errors"]

OURS = "sealring.frameworks.django.SealringMiddleware"
REST = "sealring.frameworks.django.rest_framework.SealringAuthentication"
SESSION = "rest_framework.authentication.SessionAuthentication"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"


@register(Tags.security)
def check_setting(**_: Any) -> list[CheckMessage]:
    """E001 to E004, W001: the setting `SEALRING`."""
    found: list[CheckMessage] = [*_unread()]
    try:
        given = read_setting()
    except ConfigurationError as error:
        return [*found, Error(str(error), hint=error.hint, id="sealring.E001")]
    unknown = unknown_keys(given)
    found += [
        Error(f"unknown key {key!r} in {SETTING}", hint=hint, id="sealring.E002") for key, hint in unknown.items()
    ]
    found += _twice(given)
    if not unknown:
        try:
            configuration()
        except ConfigurationError as error:
            found.append(Error(str(error), hint=error.hint, id="sealring.E003"))
    return found


def _unread() -> Iterator[CheckMessage]:
    for name in dir(settings):
        if name.startswith(PREFIX):
            yield Error(
                f"the setting {name} is not read",
                hint=f'write {SETTING} = {{"{name.removeprefix(PREFIX)}": …}}, or set it in the environment',
                id="sealring.E004",
            )


def _twice(given: Iterable[str]) -> Iterator[CheckMessage]:
    if "VERIFIER" in given:
        return
    for key in given:
        if key in setting_keys() and key not in OWN_KEYS and os.environ.get(PREFIX + key):
            yield CheckWarning(
                f"{key} stands in {SETTING} and as {PREFIX}{key} in the environment",
                hint=f"{SETTING} wins, and commands of `sealring` read the environment: leave one",
                id="sealring.W001",
            )


@register(Tags.security)
def check_middleware(**_: Any) -> list[CheckMessage]:
    """E005 to E007: the middleware."""
    if any(_is_ours(name) for name in settings.MIDDLEWARE):
        return _misplaced()
    return [
        Error(
            f"MIDDLEWARE lacks {OURS}",
            hint="add it at the end: without it request.principal is missing, and Django's CSRF check refuses"
            " requests with bearer tokens",
            id="sealring.E005",
        )
    ]


def _misplaced() -> list[CheckMessage]:
    names = [name for name in settings.MIDDLEWARE if _is_ours(name)]
    found: list[CheckMessage] = []
    if len(names) > 1:
        found.append(Error(f"MIDDLEWARE has {OURS} {len(names)} times", hint="leave one", id="sealring.E006"))
    if names and AUTHENTICATION in settings.MIDDLEWARE:
        order = list(settings.MIDDLEWARE)
        if order.index(names[0]) < order.index(AUTHENTICATION):
            found.append(
                Error(
                    f"{OURS} stands before {AUTHENTICATION}, which replaces request.user",
                    hint="move it to the end of MIDDLEWARE",
                    id="sealring.E007",
                )
            )
    return found


def _is_ours(name: str) -> bool:
    if name == OURS:
        return True
    try:
        found = import_string(name)
    except ImportError:  # Django says so itself
        return False
    return isinstance(found, type) and issubclass(found, SealringMiddleware)


@register(Tags.security)
def check_rest_framework(**_: Any) -> list[CheckMessage]:
    """E009: the order of the REST framework's authentication classes."""
    given: Any = getattr(settings, "REST_FRAMEWORK", None) or {}
    order = [name for name in given.get("DEFAULT_AUTHENTICATION_CLASSES", ()) if isinstance(name, str)]
    if REST not in order or SESSION not in order[: order.index(REST)]:
        return []
    return [
        Error(
            f"{SESSION} stands before {REST}, and would ask Django's CSRF token of users that we know",
            hint=f"put {REST} first",
            id="sealring.E009",
        )
    ]


@register(Tags.urls)
def check_urls(**_: Any) -> list[CheckMessage]:
    """E008: where the auth routes hang, and where the settings say so."""
    if not settings.is_overridden("ROOT_URLCONF"):
        return []
    try:
        hangs = reverse("sealring:me").removesuffix("/me") or "/"
        said = get_sealring().settings.auth_path
    except (NoReverseMatch, ConfigurationError):  # no routes of ours here, or another check says what is wrong
        return []
    script = get_script_prefix().rstrip("/")
    if hangs == (script + said if said != "/" else script or "/"):
        return []
    return [
        Error(
            f"the auth routes are at {hangs}, and AUTH_PATH of {SETTING} is {said}",
            hint=f'write {SETTING} = {{"AUTH_PATH": "{hangs.removeprefix(script)}"}}: cookies of a login of your own'
            " are sent there",
            id="sealring.E008",
        )
    ]


def refuse_errors() -> None:
    """Called when the middleware is made: a server runs no checks.

    Raises:
        ConfigurationError: what E004, E006, E007 and E009 say. The setting itself is refused where it is read.
    """
    for message in (*_unread(), *_misplaced(), *check_rest_framework()):
        raise ConfigurationError(f"{message.msg} ({message.id})", message.hint)
