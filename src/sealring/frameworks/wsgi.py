"""WSGI (PEP 3333): the auth routes as an application, and a middleware that protects paths. No framework is imported.

    application = auth.wsgi_middleware(application, protect=["/internal/"])

A request is authenticated in its own thread, from memory. What reads or writes the store runs in the event loop of the
process (`sync_runner`), and the request's thread waits. The server bounds the time that a body may take: a WSGI
application cannot, so a server without such a bound belongs behind a proxy that reads bodies first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal, Protocol

from sealring.errors import NotFound, SealringError, Stale
from sealring.frameworks.asgi import local_path
from sealring.http.authenticate import AuthResult, RequestAuthenticator
from sealring.http.body import MAX_BODY_BYTES, check_framing
from sealring.http.endpoint import Endpoint, Head, HeaderList, Response, Routes
from sealring.http.environ import AUTH, credential_scope, scope_of_environ
from sealring.http.middleware import Protect, check_invalid_status, refusal_of
from sealring.http.pipeline import admit, refuse, refuse_unserved, respond
from sealring.http.problems import answer
from sealring.http.protected_paths import ProtectedPaths, read_rules
from sealring.http.request_errors import BodyTooLarge, MalformedBody, MethodNotAllowed
from sealring.http.verifying_service import VerifyingService
from sealring.sync_runner import SyncRunner

__all__ = ["AUTH", "PRINCIPAL", "WsgiAuthApp", "WsgiAuthenticator", "WsgiSessionMiddleware"]

PRINCIPAL = "sealring.principal"
"""Where the middleware puts the principal into the environ; None for an anonymous user."""

Environ = dict[str, Any]
Headers = list[tuple[str, str]]


class StartResponse(Protocol):
    """What a server hands in (PEP 3333)."""

    def __call__(self, status: str, headers: Headers, exc_info: Any = None, /) -> Callable[[bytes], object]:
        """Begin an answer."""


WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]


class WsgiAuthenticator:
    """Finds the sender of a WSGI request, once, however many ask.

    Args:
        authenticator: reads and verifies credentials.
        runner: opens the application at the first request; None where something else does.
    """

    def __init__(self, authenticator: RequestAuthenticator, runner: SyncRunner | None = None) -> None:
        self._authenticator = authenticator
        self._runner = runner

    def authenticate(self, environ: Environ, *, is_decoded: bool = False) -> AuthResult:
        """Return what the request says about its sender; no I/O once the application is open.

        `is_decoded` is as of `scope_of_environ`.
        """
        found = environ.get(AUTH)
        if isinstance(found, AuthResult) and found.verify == self._authenticator.verify:
            return found
        scope = credential_scope(environ, is_decoded=is_decoded)
        result = self._authenticator.authenticate(scope)
        if type(result.refusal) is Stale and self._runner is not None:
            self._runner.try_open()
            result = self._authenticator.authenticate(scope)
        environ[AUTH] = result
        return result

    def report(self, error: SealringError, environ: Environ) -> None:
        """Log and count a refusal. Call once, where the refusal is answered."""
        self._authenticator.report(error, scope_of_environ(environ))


class WsgiAuthApp:
    """Serves a table of endpoints, found by their path below where this application is mounted (`SCRIPT_NAME`).

    Args:
        service: what the endpoints stand on.
        authenticator: finds the sender.
        runner: runs what needs an event loop.
        endpoints: the table.
        prefix: their path below the mount, in ASCII; with `otherwise` alone.
        otherwise: serves paths that no endpoint has; else they are 404.
    """

    def __init__(
        self,
        service: VerifyingService,
        authenticator: WsgiAuthenticator,
        runner: SyncRunner,
        endpoints: Iterable[Endpoint],
        *,
        prefix: str = "",
        otherwise: WsgiApp | None = None,
    ) -> None:
        self._service = service
        self._authenticator = authenticator
        self._runner = runner
        self._routes = Routes(endpoints)
        self._below = prefix + "/"
        self._otherwise = otherwise

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333)."""
        method = environ["REQUEST_METHOD"]
        # most requests are the application's own: they cost this comparison
        if self._otherwise is not None and not environ.get("PATH_INFO", "").startswith(self._below):
            return self._otherwise(environ, start_response)
        scope = scope_of_environ(environ)
        path = local_path(scope)[len(self._below) - 1 :]
        try:
            endpoint, parameters = self._routes.find(method, path)
        except (NotFound, MethodNotAllowed) as error:
            if self._otherwise is not None and isinstance(error, NotFound) and not self._routes.is_respelled(path):
                return self._otherwise(environ, start_response)
            return send(refuse_unserved(self._service, Head(scope), error), method, start_response)
        return send(self._serve(endpoint, parameters, environ, scope), method, start_response)

    def _serve(
        self, endpoint: Endpoint, parameters: Mapping[str, str], environ: Environ, scope: dict[str, Any]
    ) -> Response:
        """As `pipeline.serve`, in the request's own thread, up to where an event loop is needed."""
        head = Head(scope)
        try:
            if endpoint.opens:
                self._runner.open()
            elif Stale in endpoint.errors:  # nobody else opens a process whose balancer waits for it to be ready
                self._runner.try_open()
            if endpoint.caller:
                scope["auth"] = self._authenticator.authenticate(environ)
            admitted = admit(self._service, endpoint, parameters, head)
            raw = b"" if endpoint.reads is None else read_input(environ, head)
            return self._runner.run(respond(self._service, admitted, raw))
        except SealringError as error:
            return refuse(self._service, endpoint, head, error)


class WsgiSessionMiddleware:
    """Finds the sender of each request, and guards the paths in `protect`, as the ASGI middleware does.

    The principal is `environ["sealring.principal"]`, None for an anonymous user.

    Args:
        app: what it stands in front of.
        authenticator: finds the sender.
        protect: see the ASGI middleware.
        invalid_status: the answer to a bad token there: 401 (RFC 6750 §3.1), or the 403 of tutorials.
    """

    def __init__(
        self,
        app: WsgiApp,
        *,
        authenticator: WsgiAuthenticator,
        protect: Protect = (),
        invalid_status: Literal[401, 403] = 401,
    ) -> None:
        rules = read_rules(protect)
        check_invalid_status(invalid_status)
        self._app = app
        self._authenticator = authenticator
        self._protected = ProtectedPaths(rules) if rules else None
        self._asks_scopes = any(rule.scopes for rule in rules)
        self._invalid_status = invalid_status

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333)."""
        result = self._authenticator.authenticate(environ)
        principal = environ[PRINCIPAL] = result.principal
        if self._protected is not None and (principal is None or self._asks_scopes):
            scope = scope_of_environ(environ)
            error = refusal_of(result, self._protected.scopes(scope["path"], scope["root_path"]))
            if error is not None:
                self._authenticator.report(error, environ)
                response = _refusal(error, invalid_status=self._invalid_status)
                return send(response, environ["REQUEST_METHOD"], start_response)
        return self._app(environ, start_response)


def send(response: Response, method: str, start_response: StartResponse) -> Iterable[bytes]:
    """Send a response: without its body to HEAD."""
    start_response(status_line(response.status), text_headers(response.headers))
    return [] if method == "HEAD" else [response.body]


def status_line(status: int) -> str:
    """As PEP 3333 wants it.

    >>> status_line(404)
    '404 Not Found'
    """
    return f"{status} {HTTPStatus(status).phrase}"


def text_headers(headers: HeaderList) -> Headers:
    """Fields as PEP 3333 wants them: text, and none of one hop, which are the server's."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers if name != b"connection"]


def read_input(environ: Environ, head: Head) -> bytes:
    """Return the whole body, at most `MAX_BODY_BYTES` of it.

    Raises:
        BodyTooLarge: more, announced or sent.
        UnsupportedMediaType: a content coding: nothing is decompressed here.
        MalformedBody: impossible lengths, a client that went away, or chunks that the server leaves to us.
    """
    check_framing(head.headers)
    length = environ.get("CONTENT_LENGTH")
    if not length and "HTTP_TRANSFER_ENCODING" not in environ:
        return b""
    if not length and not environ.get("wsgi.input_terminated"):
        raise MalformedBody("a body without a length, which this server does not end")
    wanted = int(length) if length else MAX_BODY_BYTES + 1
    try:
        body = _read(environ["wsgi.input"], wanted)
    except (OSError, ValueError):
        raise MalformedBody("the client disconnected") from None
    if not length and len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge("more bytes than a body may have")
    if length and len(body) < wanted:
        raise MalformedBody("the client disconnected")
    return body


def _read(stream: Any, wanted: int) -> bytes:
    """So many bytes, or all that there are; one read may give less than it was asked for."""
    chunks: list[bytes] = []
    while wanted > 0:
        chunk: bytes = stream.read(wanted)
        if not chunk:
            break
        chunks.append(chunk)
        wanted -= len(chunk)
    return b"".join(chunks)


def _refusal(error: SealringError, *, invalid_status: Literal[401, 403]) -> Response:
    reply = answer(error, invalid_status=invalid_status)
    return Response(reply.status, reply.headers, reply.body)
