"""Django REST framework: who is asking, and who may.

    REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["sealring.frameworks.django.rest_framework.SealringAuthentication"],
    }

    class Orders(APIView):
        permission_classes = [HasScope("orders:read")]

`request.auth` is the principal, `request.user` the row of the user model, loaded where it is touched. A refusal is 401
with the challenge of RFC 6750, whatever the order of the authentication classes. What is raised is an exception of the
framework's, so a project's own `EXCEPTION_HANDLER` sees it; else the answer is the usual problem document.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

try:
    import rest_framework  # noqa: F401 - asked for first, so that the answer says what to install
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{__name__} needs the package {missing.name}: pip install djangorestframework", name=missing.name
    ) from missing
from msgspec.structs import replace
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from sealring.errors import SealringError
from sealring.frameworks.django.authentication import authenticate, report
from sealring.frameworks.django.configuration import configuration
from sealring.frameworks.django.refused import keep_refusal
from sealring.frameworks.django.users import lazy_user
from sealring.frameworks.required_scopes import check_scopes
from sealring.http.problems import answer, row_of
from sealring.http.request_errors import InsufficientScope, MissingCredential
from sealring.jwt.durations import Duration
from sealring.sessions.step_up import StepUp, step_up_of
from sealring.verifier.principal import Principal

__all__ = ["HasScope", "SealringAuthentication"]


class _RequestRefused(APIException):
    """A refusal in the framework's words: status, detail, code, and the header fields that it knows."""

    def __init__(self, error: SealringError) -> None:
        row = row_of(error)
        self.status_code = row.status
        super().__init__(row.detail, row.code)
        fields = dict(answer(error).headers)
        self.auth_header = fields.get(b"www-authenticate", b"").decode("ascii")
        self.wait = int(fields.get(b"retry-after", b"0"))


class SealringAuthentication(BaseAuthentication):
    """Knows the senders of our access tokens, in the Authorization field or in the cookie.

    >>> from rest_framework.request import Request
    >>> from rest_framework.response import Response
    >>> from rest_framework.test import APIRequestFactory
    >>> from rest_framework.views import APIView
    >>> class Me(APIView):
    ...     authentication_classes = [SealringAuthentication]
    ...     def get(self, request: Request) -> Response:
    ...         return Response({"authenticated": request.auth is not None})
    >>> Me.as_view()(APIRequestFactory().get("/me")).data
    {'authenticated': False}
    """

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        """Called by the framework: who sent a request.

        Args:
            request: the request.

        Returns:
            The user and the principal; None where no credential was sent, so that another class may know the sender.

        Raises:
            APIException: a credential that is bad, or one that may not act: 400, 401, 403 or 503.
        """
        made = configuration()
        plain = request._request  # noqa: SLF001 - what every authentication class of the framework reads
        result = authenticate(made.host, plain)
        if result.refusal is not None:
            refusal = result.refuse()
            report(made.host, refusal, plain)
            keep_refusal(plain, refusal, _is_default)
            raise _RequestRefused(refusal)
        if result.principal is None:
            keep_refusal(plain, result.refuse(), _is_default)
            return None
        return lazy_user(made, plain, result.principal), result.principal

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the framework's signature
        """Called by the framework: the challenge of a 401 (RFC 6750 §3); without one it would answer 403.

        Args:
            request: the request.
        """
        nobody = MissingCredential("no credential was sent")
        nobody.resource_metadata = configuration().auth.authenticator.resource_metadata
        return dict(answer(nobody).headers)[b"www-authenticate"].decode("ascii")


class _HasScope(BasePermission):
    scopes: tuple[str, ...] = ()
    step_up: StepUp | None = None
    bound: bool = False

    def has_permission(self, request: Request, view: object) -> bool:  # noqa: ARG002 - the framework's signature
        """Whether the principal has the scopes, and has proved who they are as is asked."""
        principal = request.auth
        if not isinstance(principal, Principal):
            return False
        plain = request._request  # noqa: SLF001 - as above
        # the framework says who it is: its test client may have, where no request did
        found = replace(authenticate(configuration().host, plain), principal=principal, refusal=None)
        try:
            found.require(*self.scopes, step_up=self.step_up, bound=self.bound)
        except SealringError as refusal:
            # the framework answers 403 to what no permission allows, a 401 of ours too
            keep_refusal(plain, refusal, _is_default, status=HTTPStatus.FORBIDDEN)
            return False
        return True


def HasScope(  # noqa: N802 - it stands among classes
    *scopes: str, max_age: Duration | None = None, acr: str = "", bound: bool = False
) -> type[BasePermission]:
    """A permission class for principals with all of these scopes: `permission_classes = [HasScope("orders:read")]`.

    Without scopes, for any principal. It may be combined: `HasScope("admin") | IsAdminUser`.

    Args:
        scopes: scope tokens of RFC 6749 §3.3, all of which the principal must have.
        max_age: how old the proof may be; see `require`.
        acr: how strong it must be; see `require`.
        bound: whether the session must be bound; see `require`.

    Raises:
        TypeError, ValueError: what is not a scope token (RFC 6749 §3.3), or cannot be asked of a proof.

    >>> from rest_framework.test import APIRequestFactory
    >>> from rest_framework.views import APIView
    >>> class Orders(APIView):
    ...     authentication_classes = [SealringAuthentication]
    ...     permission_classes = [HasScope("orders:read")]
    >>> Orders.as_view()(APIRequestFactory().get("/orders")).status_code
    401
    """
    check_scopes(scopes)
    row = row_of(InsufficientScope(scopes))
    step_up = step_up_of(max_age, acr)
    own = {"scopes": scopes, "step_up": step_up, "bound": bound, "message": row.detail, "code": row.code}
    return type("HasScope", (_HasScope,), own)


def _is_default(response: Any) -> bool:
    """Whether it is what the framework's own handler makes of an exception, and not a project's."""
    data = getattr(response, "data", None)
    return isinstance(data, dict) and set(data) == {"detail"} and response.status_code >= HTTPStatus.BAD_REQUEST
