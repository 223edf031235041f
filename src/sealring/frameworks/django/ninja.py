"""Django Ninja: who is asking, and who may.

    api = NinjaAPI(auth=SealringAuth())

    @api.get("/orders", auth=SealringAuth("orders:read"))
    def orders(request):
        return {"orders of": request.auth.subject}

`request.auth` is the principal. It serves plain and `async def` operations, reads no database, and describes itself in
OpenAPI as a bearer token. A refusal is raised as Ninja's own `HttpError`, so a project's own handler sees it; else the
answer is the usual problem document.
"""

from __future__ import annotations

import json
from typing import Any

try:
    import ninja  # noqa: F401 - asked for first, so that the answer says what to install
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{__name__} needs the package {missing.name}: pip install django-ninja", name=missing.name
    ) from missing
from django.http import HttpRequest
from ninja.errors import AuthenticationError, HttpError
from ninja.security.http import HttpAuthBase

from sealring.errors import SealringError
from sealring.frameworks.django.authentication import authenticate, report
from sealring.frameworks.django.configuration import configuration
from sealring.frameworks.django.refused import keep_refusal
from sealring.frameworks.django.users import attach
from sealring.frameworks.required_scopes import check_scopes
from sealring.http.problems import row_of
from sealring.jwt.durations import Duration
from sealring.sessions.step_up import step_up_of
from sealring.verifier.principal import Principal

__all__ = ["SealringAuth"]


class SealringAuth(HttpAuthBase):
    """Lets a principal with all of these scopes call an operation; without scopes, any principal.

    Args:
        scopes: scope tokens of RFC 6749 §3.3, all of which the principal must have.
        max_age: how old the proof may be; see `require`.
        acr: how strong it must be; see `require`.
        bound: whether the session must be bound; see `require`.

    Raises:
        TypeError, ValueError: what is not a scope token (RFC 6749 §3.3), or cannot be asked of a proof.

    >>> from django.http import HttpRequest
    >>> from ninja import NinjaAPI
    >>> api = NinjaAPI(auth=SealringAuth(), urls_namespace="shop")
    >>> @api.get("/orders", auth=SealringAuth("orders:read"))
    ... def orders(request: HttpRequest) -> str:
    ...     return request.auth.subject
    """

    openapi_scheme = "bearer"

    def __init__(self, *scopes: str, max_age: Duration | None = None, acr: str = "", bound: bool = False) -> None:
        check_scopes(scopes)
        self._scopes = scopes
        self._step_up = step_up_of(max_age, acr)
        self._bound = bound
        super().__init__()

    def __call__(self, request: HttpRequest) -> Principal | None:
        """The principal; None where no credential was sent, so that another of `auth` may know the sender.

        Raises:
            HttpError: a credential that is bad, that may not act, or that lacks a scope: 400, 401, 403 or 503.
        """
        made = configuration()
        result = authenticate(made.host, request)
        if result.principal is None and result.refusal is None:
            keep_refusal(request, result.refuse(), _is_default(AuthenticationError().message))
            return None
        try:
            principal = result.require(*self._scopes, step_up=self._step_up, bound=self._bound)
        except SealringError as error:
            report(made.host, error, request)
            row = row_of(error)
            keep_refusal(request, error, _is_default(row.detail))
            raise HttpError(row.status, row.detail) from error
        if not hasattr(request, "principal"):
            attach(made, request, principal)
        return principal


def _is_default(message: str) -> Any:
    """Whether a response is what Ninja's own handler makes of this message, and not a project's."""

    def is_default(response: Any) -> bool:
        try:
            return bool(json.loads(response.content) == {"detail": message})
        except (AttributeError, ValueError):  # a stream, or another renderer
            return False

    return is_default
