"""How `serve` logs: one JSON object a line on stderr. The library itself only ever calls `logging`.

The true cause of a refusal stands in fields, never in the message, and no field holds a token, a
password or a secret (I15): those that log are written so, and a test greps what they wrote.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

OF_EVERY_RECORD = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"})


class JsonLines(logging.Formatter):
    """One record, one line; whatever it holds, escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in OF_EVERY_RECORD | {"sealring"}},
            **getattr(record, "sealring", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"lines": {"()": JsonLines}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "loggers": {
        "sealring": {"level": "INFO"},
        "uvicorn": {"level": "WARNING"},
        "uvicorn.error": {"level": "WARNING"},
    },
    "root": {"level": "WARNING", "handlers": ["stderr"]},
}
