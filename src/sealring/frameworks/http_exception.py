"""The HTTP exception of a refusal, for frameworks on Werkzeug (Flask, Quart)."""

from __future__ import annotations

from typing import Any

from werkzeug.exceptions import HTTPException, default_exceptions

from sealring.errors import SealringError
from sealring.http.problems import row_of

__all__ = ["http_exception"]


def http_exception(error: SealringError, response: Any) -> HTTPException:
    """Werkzeug's exception of the response's status, with the response as its answer."""
    return default_exceptions[response.status_code](row_of(error).detail, response)
