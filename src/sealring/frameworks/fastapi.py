"""FastAPI: who is asking, as a dependency that `/docs` understands.

    user: Annotated[Principal, Security(guard(auth), scopes=["orders:read"])]

One object is both the dependency and the security scheme, so one node of FastAPI's dependency tree
per route (each costs 8 µs, measured; the check itself 2). It is async, so that it never waits for a
thread. It takes over what the middleware found, when it is installed and trusts the same verifier,
and else asks the authenticator itself. Refusals are RFC 6750's, as problem details (design D14). On
a route that must keep the last few per cent, `protect=` of the middleware and `request.user` do the
same without a dependency.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NoReturn, Protocol

try:
    import fastapi  # noqa: F401 - asked for first, so that the answer says what to install
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{__name__} needs the package {missing.name}: pip install 'sealring[fastapi]'", name=missing.name
    ) from missing
from fastapi.exceptions import HTTPException, WebSocketException
from fastapi.openapi.models import HTTPBearer, OAuth2, OAuthFlowPassword, OAuthFlows, SecurityScheme
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from sealring.errors import SealringError, Stale
from sealring.frameworks.fastapi_route import ProblemRoute, problem_route
from sealring.frameworks.starlette import ReportedRefusal
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.openapi import BODY, GUARDED, refusals
from sealring.http.problems import POLICY_VIOLATION, answer, row_of
from sealring.jwt.durations import Duration
from sealring.sessions.step_up import step_up_of
from sealring.verifier.principal import Principal

__all__ = [
    "BODY",
    "GUARDED",
    "GuardRefusal",
    "OptionalGuard",
    "ProblemRoute",
    "RequiredGuard",
    "guard",
    "optional_guard",
    "problem_route",
    "refusals",
]

_GUARDS_KEPT = 256


class Verifying(Protocol):
    """A `Sealring`, a `Verifier`, or anything that verifies access tokens.

    When it has an attribute `authenticator`, that one reads the request (cookies and CSRF included); else only
    the Authorization field counts.
    """

    def verify(self, token: str) -> Principal:
        """From an access token to its principal; raises `TokenError`."""

    def __hash__(self) -> int:
        """By identity, as objects have it."""


class GuardRefusal(ReportedRefusal, HTTPException):
    """A guard's refusal; `error` is the cause, logged and counted already, `headers` hold the challenge.

    It is a `SealringError`, so that the application's own handler makes problem details of it:
    `app.add_exception_handler(SealringError, auth.problem_response)`. And it is an HTTPException: where nobody handles
    the first, FastAPI answers with the same status and fields, and `detail` alone for a body. Nothing is put into the
    application behind its back.

    Args:
        error: the cause.

    >>> from sealring.http.request_errors import MissingCredential
    >>> refusal = GuardRefusal(MissingCredential("no credential was sent"))
    >>> refusal.status_code, refusal.headers["www-authenticate"]
    (401, 'Bearer realm="sealring"')
    """

    def __init__(self, error: SealringError) -> None:
        self.error = error
        reply = answer(error)
        headers = {name.decode(): value.decode() for name, value in reply.headers if name not in _OF_THE_BODY}
        HTTPException.__init__(self, reply.status, detail=row_of(error).detail, headers=headers)


_OF_THE_BODY = frozenset({b"content-type", b"content-length"})


def guard(
    auth: Verifying,
    *,
    token_url: str | None = None,
    max_age: Duration | None = None,
    acr: str = "",
    bound: bool = False,
) -> RequiredGuard:
    """Return the dependency that gives the principal, or refuses the request.

    `Security(guard(auth), scopes=[…])` asks for all of these scopes too. Called again with the same
    arguments it returns the same object, so `app.dependency_overrides[guard(auth)]` works in tests.

    Args:
        auth: who verifies.
        token_url: the OAuth token endpoint ("auth/token"), for the Authorize button of `/docs`; without
            it, `/docs` asks for a token as text. That button sends the password there: SEALRING_PASSWORD_GRANT=on.
        max_age: how long ago the user may have proved who they are, as in "5m"; a refresh does not renew it. Else 401
            `insufficient_user_authentication` (RFC 9470): `POST /auth/reauthenticate/{method}` helps.
        acr: how strongly: `mfa` for two factors, `phr` for two that no phishing page gets.
        bound: whether the session must be bound to a key of its client: the device (DBSC) or DPoP. Else 403
            `session_not_bound`.

    Raises:
        ValueError: a `token_url`, and the token endpoint takes no passwords; what cannot be asked of a proof.

    >>> from typing import Annotated
    >>> from fastapi import FastAPI, Security
    >>> from fastapi.testclient import TestClient
    >>> from sealring import Principal
    >>> app = FastAPI(lifespan=auth.lifespan)
    >>> @app.get("/orders")
    ... async def orders(user: Annotated[Principal, Security(guard(auth), scopes=["orders:read"])]) -> str:
    ...     return user.subject
    >>> with TestClient(app) as client:
    ...     as_user(client, auth, "42", scopes=["orders:read"]).get("/orders").json()
    ...     as_user(client, auth, "43").get("/orders").status_code
    '42'
    403
    """
    return _required(auth, token_url, max_age, acr, bound=bound)


def optional_guard(
    auth: Verifying,
    *,
    token_url: str | None = None,
    max_age: Duration | None = None,
    acr: str = "",
    bound: bool = False,
) -> OptionalGuard:
    """Return the dependency that gives the principal, or none when no credential was sent.

    A credential that was sent and is bad is refused all the same: the client should refresh it, and
    nobody looks logged out because a node is stale. Scopes are asked of a principal only.

    Args:
        auth: see `guard`.
        token_url: see `guard`.
        max_age: see `guard`; asked of a principal only.
        acr: see `guard`; asked of a principal only.
        bound: see `guard`; asked of a principal only.

    Raises:
        ValueError: see `guard`.

    >>> from typing import Annotated
    >>> from fastapi import FastAPI, Security
    >>> from fastapi.testclient import TestClient
    >>> from sealring import Principal
    >>> app = FastAPI(lifespan=auth.lifespan)
    >>> @app.get("/")
    ... async def home(user: Annotated[Principal | None, Security(optional_guard(auth))]) -> str:
    ...     return "nobody" if user is None else user.subject
    >>> TestClient(app).get("/").json()
    'nobody'
    """
    return _optional(auth, token_url, max_age, acr, bound=bound)


class _Guard(SecurityBase):
    scheme_name = "sealring"

    def __init__(
        self,
        auth: Verifying,
        token_url: str | None = None,
        max_age: Duration | None = None,
        acr: str = "",
        *,
        bound: bool = False,
    ) -> None:
        if token_url is not None and not getattr(getattr(auth, "settings", None), "has_password_grant", True):
            raise ValueError("token_url needs the OAuth password grant: SEALRING_PASSWORD_GRANT=on, or leave it out")
        authenticator = getattr(auth, "authenticator", None)
        self._authenticator = (
            authenticator if isinstance(authenticator, RequestAuthenticator) else RequestAuthenticator(auth.verify)
        )
        self._step_up = step_up_of(max_age, acr)
        self._bound = bound
        self.model: SecurityScheme = _scheme(token_url)

    @property
    def dependency(self) -> NoReturn:
        """Asked for by FastAPI where `dependencies=[guard(auth)]` lacks `Security`."""
        raise TypeError(_NEEDS_SECURITY)

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> NoReturn:
        """Called by pydantic where `Annotated[Principal, guard(auth)]` lacks `Security`: that were a body."""
        raise TypeError(_NEEDS_SECURITY)

    def __deepcopy__(self, memo: object) -> NoReturn:
        """Called by FastAPI where `user=guard(auth)` lacks `Security`: that were a default value."""
        raise TypeError(_NEEDS_SECURITY)

    def _refusal(self, error: SealringError, connection: HTTPConnection) -> Exception:
        scope = connection.scope
        self._authenticator.report(error, scope)
        if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            return WebSocketException(POLICY_VIOLATION)
        return GuardRefusal(error)


_NEEDS_SECURITY = "guard(auth) is a dependency: write Security(guard(auth)), or Security(guard(auth), scopes=[...])"


class RequiredGuard(_Guard):
    """The dependency of `guard`.

    Args:
        auth: see `guard`.
        token_url: see `guard`.
        max_age: see `guard`.
        acr: see `guard`.
        bound: see `guard`.

    >>> from fastapi import FastAPI
    >>> from sealring.testing import principal
    >>> app = FastAPI()
    >>> app.dependency_overrides[guard(auth)] = lambda: principal("42")  # in a test: same arguments, same object
    >>> guard(auth) is guard(auth), type(guard(auth)).__name__
    (True, 'RequiredGuard')
    """

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> Principal:
        """Called by FastAPI."""
        result = self._authenticator.result_for(connection.scope)
        if type(result.refusal) is Stale:
            result = await self._authenticator.once_open(connection.scope, result)
        try:
            return result.require(*security_scopes.scopes, step_up=self._step_up, bound=self._bound)
        except SealringError as error:
            raise self._refusal(error, connection) from None


class OptionalGuard(_Guard):
    """The dependency of `optional_guard`.

    Args:
        auth: see `guard`.
        token_url: see `guard`.
        max_age: see `guard`.
        acr: see `guard`.
        bound: see `guard`.

    >>> optional_guard(auth) is optional_guard(auth), type(optional_guard(auth)).__name__
    (True, 'OptionalGuard')
    """

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> Principal | None:
        """Called by FastAPI."""
        result = await self._authenticator.authenticate_when_open(connection.scope)
        if result.principal is None and result.refusal is None:
            return None
        try:
            return result.require(*security_scopes.scopes, step_up=self._step_up, bound=self._bound)
        except SealringError as error:
            raise self._refusal(error, connection) from None


_required = lru_cache(_GUARDS_KEPT)(RequiredGuard)
_optional = lru_cache(_GUARDS_KEPT)(OptionalGuard)


def _scheme(token_url: str | None) -> SecurityScheme:
    if token_url is None:
        return HTTPBearer(bearerFormat="JWT")
    return OAuth2(flows=OAuthFlows(password=OAuthFlowPassword(tokenUrl=token_url)))
