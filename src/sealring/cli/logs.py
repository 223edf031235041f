"""How `serve` logs on stderr: lines for people on a terminal, else one JSON object a line. The library only logs.

The true cause of a refusal stands in fields, never in the message, and no field holds a token, a password or a secret
(I15): those that log are written so, and a test greps what they wrote. What an application logs itself, and its
tracebacks, are kept free of the secrets of the settings here.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

import click

from sealring.cli.redact import redact

OF_EVERY_RECORD = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"})
OURS = ("sealring", "uvicorn")
COLORS = {"DEBUG": "bright_black", "INFO": "green", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
INDENT = "    "


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What came with `extra=`."""
    given = {name: value for name, value in vars(record).items() if name not in OF_EVERY_RECORD | {"sealring"}}
    return {**given, **getattr(record, "sealring", {})}


class JsonLines(logging.Formatter):
    """One record, one line of JSON; whatever it holds, escaped."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(line, default=str), self._secrets)


class ReadableLines(logging.Formatter):
    """One record, one line for people: when, how bad, what, why, and the other fields.

    No field and no message can begin a line of its own or steer the terminal (log injection); a traceback is indented.
    """

    def __init__(self, secrets: tuple[str, ...] = (), *, color: bool = False) -> None:
        super().__init__()
        self._secrets = secrets
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """The record as people read it."""
        fields = {name: value for name, value in fields_of(record).items() if value is not None}
        cause = str(fields.pop("cause", "")).replace("_", " ")
        ours = record.name.partition(".")[0] in OURS
        message = record.getMessage()
        words = [
            "" if ours else f"{record.name}: ",
            message.replace("_", " ") if ours else message,
            f": {cause}" if cause else "",
            *(f"  {name}={_value(value)}" for name, value in fields.items()),
        ]
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        level = f"{record.levelname.lower():8}"
        if self._color:
            at, level = click.style(at, dim=True), click.style(level, fg=COLORS.get(record.levelname))
        lines = [f"{at} {level} {escaped(redact(''.join(words), self._secrets))}"]
        if record.exc_info:
            trace = redact(self.formatException(record.exc_info), self._secrets)
            lines += [INDENT + escaped(line) for line in trace.splitlines()]
        return "\n".join(lines)


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if text and not set(text) & set(' "=') else json.dumps(text, ensure_ascii=False)


def escaped(text: str) -> str:
    r"""The text with what a terminal might obey, and every line break, written as an escape.

    >>> escaped("Zo\u00eb\n\x1b[2J")
    'Zoë\\n\\x1b[2J'
    """
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def log_config(secrets: tuple[str, ...]) -> dict[str, Any]:
    """What `logging.config.dictConfig` takes, for stderr as it is now; workers get the same."""
    to_people = sys.stderr is not None and sys.stderr.isatty()
    color = to_people and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    form: dict[str, Any] = {"()": ReadableLines, "color": color} if to_people else {"()": JsonLines}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {**form, "secrets": secrets}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "loggers": {
            "sealring": {"level": "INFO"},
            "uvicorn": {"level": "WARNING"},
            "uvicorn.error": {"level": "WARNING"},
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
    }
