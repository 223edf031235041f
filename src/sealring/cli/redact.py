"""Keeps the secrets of the settings out of what an application's own tracebacks and log lines may show (I15)."""

from __future__ import annotations

import json
from urllib.parse import unquote, urlsplit

from sealring.settings import Settings

HIDDEN = "***"
SHORTEST = 6
"""A shorter password would hide ordinary words; none is a good one."""


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """The root secrets and the password of the database, as they stand in the settings and as a program reads them.

    >>> from sealring import load_settings
    >>> secrets_of(load_settings(secret="a" * 40, database_url="postgresql://app:s%21cret@db/x"))[1:]
    ('s%21cret', 's!cret')
    """
    try:
        password = urlsplit(settings.database_url).password or ""
    except ValueError:
        password = ""
    found = [*(secret.strip() for secret in settings.secret.split(",")), password, unquote(password)]
    both = [form for text in found if len(text) >= SHORTEST for form in (text, json.dumps(text)[1:-1])]
    return tuple(dict.fromkeys(both))


def redact(text: str, secrets: tuple[str, ...]) -> str:
    """The text without them.

    >>> redact("connect to app:s3cret@db", ("s3cret",))
    'connect to app:***@db'
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
