"""Where settings come from: arguments win over the environment, that over `.env` in the working directory.

An unknown `SEALRING_…` name is an error, because a misspelt setting that is silently ignored is a setting that
somebody takes to be in force. So is a name that stands in `.env` twice.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any, Unpack

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from sealring.errors import ConfigurationError
from sealring.settings.row import PREFIX
from sealring.settings.table import SETTINGS, Settings, SettingsArguments

DOTENV = ".env"
DOTENV_ENCODING = "utf-8-sig"
"""UTF-8, also with the mark that some editors put first: else the name in the first line is not ours, and ignored."""


def _read_dotenv() -> str:
    path = Path(DOTENV)
    if not (path.is_file() or path.is_fifo()):  # a virtual environment may have this name; password stores make FIFOs
        return ""
    try:
        return path.read_text(encoding=DOTENV_ENCODING)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"cannot read .env: {reason}", "it holds lines like SEALRING_SECRET=…") from None


def _names(text: str) -> list[str]:
    return [line.key for line in parse_stream(StringIO(text)) if line.key is not None]


def names_in_dotenv() -> list[str]:
    """The names in `.env`, as often as they stand there.

    Raises:
        ConfigurationError: it cannot be read.
    """
    return _names(_read_dotenv())


def _check_names(environment: Iterable[str], dotenv: Sequence[str]) -> None:
    """Refuse a name that we do not know, and two lines of `.env` for one name: only the last would be in force."""
    known = [row.variable for row in SETTINGS.values()]
    for name in sorted({*environment, *dotenv}):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            nearest = get_close_matches(name[len(PREFIX) :].lower(), SETTINGS, n=1)
            hint = (
                f"did you mean {SETTINGS[nearest[0]].variable}?" if nearest else f"the settings are {', '.join(known)}"
            )
            raise ConfigurationError(f"unknown setting {name}", hint)
    for name, times in Counter(map(str.upper, dotenv)).items():
        if times > 1 and name in known:
            raise ConfigurationError(
                f"{name} stands in .env {times} times, and only the last would count",
                "leave one line; several secrets go on one, by comma"
                if name == "SEALRING_SECRET"
                else "leave one line",
            )


def _values(source: Mapping[str, str | None]) -> dict[str, Any]:
    """Our settings in an environment, whatever the case of their names. Empty is unset: compose files hand it on."""
    found = {name.upper(): value for name, value in source.items() if value}
    return {name: found[row.variable] for name, row in SETTINGS.items() if row.variable in found}


def load_settings(**given: Unpack[SettingsArguments]) -> Settings:
    """Read the settings.

    Args:
        given: values that win over environment and `.env`, by the names of `Settings`.

    Returns:
        The settings: what was given, then the environment, then `.env`, then the defaults.

    Raises:
        ConfigurationError: a bad value or an unknown `SEALRING_…` name.
        TypeError: an unknown argument.

    >>> settings = load_settings(secret="q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use", access_ttl="10m")
    >>> settings.access_ttl, settings.session_idle
    (600, 1209600)
    >>> load_settings(acces_ttl="10m")
    Traceback (most recent call last):
    TypeError: unknown setting: acces_ttl; did you mean access_ttl?
    """
    if unknown := sorted(set(given) - set(SETTINGS)):
        nearest = get_close_matches(unknown[0].lower().removeprefix(PREFIX.lower()), SETTINGS, n=1)
        meant = f"; did you mean {nearest[0]}?" if nearest else ""
        raise TypeError(f"unknown setting: {', '.join(unknown)}{meant}")
    text = _read_dotenv()
    _check_names(os.environ, _names(text))
    values: dict[str, Any] = {**_values(dotenv_values(stream=StringIO(text))), **_values(os.environ), **given}
    return Settings(**values, given=frozenset(values))
