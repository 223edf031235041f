"""Refusals inside Django REST framework and Ninja: answered as everywhere, unless the application has its own form.

Both turn an exception into a response by handlers that an application may replace. So what is raised there is an
exception of theirs, with the right status; and where the answer comes out in their own default form, the middleware
puts the usual problem document and fields in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from sealring.errors import SealringError
from sealring.frameworks.django.responses import problem_response
from sealring.http.problems import row_of

__all__ = ["KEPT", "answer_refused", "keep_refusal"]

KEPT = "sealring_refused"
"""The attribute of a request that keeps why it was refused."""


@dataclass(frozen=True, slots=True)
class _Refused:
    error: SealringError
    is_default: Callable[[Any], bool]
    status: int


def keep_refusal(
    request: Any, error: SealringError, is_default: Callable[[Any], bool], *, status: int | None = None
) -> None:
    """Remember why a request is refused.

    `is_default` knows a response in the framework's own form, and `status` is that of such a response, where it is not
    that of the refusal.
    """
    setattr(request, KEPT, _Refused(error, is_default, row_of(error).status if status is None else status))


def answer_refused(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The response, or the usual one for the refusal that was kept."""
    refused: _Refused | None = request.__dict__.get(KEPT)
    if refused is None or response.status_code != refused.status or not refused.is_default(response):
        return response
    return problem_response(refused.error, request)
