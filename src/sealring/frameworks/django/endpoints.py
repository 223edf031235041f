"""The auth routes as Django serves them: by the middleware, in the server's own way, or by a plain view without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException, UnreadablePostError

from sealring.errors import NotFound, SealringError, Stale
from sealring.frameworks.django.authentication import authenticate, authenticate_async, request_scope
from sealring.frameworks.django.configuration import configuration
from sealring.frameworks.django.host import DjangoHost
from sealring.frameworks.django.responses import http_response
from sealring.frameworks.wsgi import read_input
from sealring.http.body import MAX_BODY_BYTES, check_framing
from sealring.http.endpoint import Endpoint, Head, Response
from sealring.http.pipeline import Admitted, admit, refuse, refuse_unserved, respond
from sealring.http.request_errors import BodyTooLarge, MalformedBody, MethodNotAllowed

__all__ = ["endpoint_view", "serve", "serve_async", "served_path"]

_ATTRIBUTE = "sealring_path"


def endpoint_view(path: str) -> Callable[..., HttpResponse]:
    """The view of a path of the table, `/sessions/{session_id}`; its parameters are the view's keywords.

    Django's CSRF check and its `LoginRequiredMiddleware` pass it by: whose page asks, and who, is asked by each
    endpoint (C2, I13). It needs no transaction of the application's.
    """

    def view(request: HttpRequest, **_: str) -> HttpResponse:
        return serve(configuration().host, served_path(view, request) or path, request)

    marked: Any = view
    setattr(marked, _ATTRIBUTE, path)
    marked.csrf_exempt = True
    marked.login_required = False
    marked._non_atomic_requests = set(connections)  # noqa: SLF001 - what `non_atomic_requests` sets, for each database
    return view


def served_path(view: Any, request: HttpRequest) -> str | None:
    """The path below the auth routes that a request asks for; None where its view is another's."""
    path: str | None = getattr(view, _ATTRIBUTE, None)
    match = request.resolver_match
    return path if path is None or match is None else path.format(**match.kwargs)


def serve(host: DjangoHost, path: str, request: HttpRequest) -> HttpResponse:
    """Serve a request in its own thread, up to where an event loop is needed."""
    head = Head(request_scope(request))
    try:
        endpoint, parameters = host.routes.find(head.scope["method"], path)
    except (NotFound, MethodNotAllowed) as error:
        return _http(refuse_unserved(host.service, head, error), request)
    try:
        if endpoint.opens:
            host.runner.open()
        elif Stale in endpoint.errors:  # nobody else opens a process whose balancer waits for it to be ready
            host.runner.try_open()
        if endpoint.caller:
            head = Head({**head.scope, "auth": authenticate(host, request)})
        admitted = admit(host.service, endpoint, parameters, head)
        return _http(host.runner.run(respond(host.service, admitted, _body(admitted, request))), request)
    except SealringError as error:
        return _refused(host, endpoint, head, error, request)


async def serve_async(host: DjangoHost, path: str, request: HttpRequest) -> HttpResponse:
    """As `serve`, in an event loop."""
    head = Head(request_scope(request))
    try:
        endpoint, parameters = host.routes.find(head.scope["method"], path)
    except (NotFound, MethodNotAllowed) as error:
        return _http(refuse_unserved(host.service, head, error), request)
    try:
        if not host.runner.is_open:
            if endpoint.opens:
                await asyncio.to_thread(host.runner.open)
            elif Stale in endpoint.errors:
                await asyncio.to_thread(host.runner.try_open)
        if endpoint.caller:
            head = Head({**head.scope, "auth": await authenticate_async(host, request)})
        admitted = admit(host.service, endpoint, parameters, head)
        raw = _body(admitted, request)
        return _http(await host.runner.run_async(respond(host.service, admitted, raw)), request)
    except SealringError as error:
        return _refused(host, endpoint, head, error, request)


def _http(response: Response, request: HttpRequest) -> HttpResponse:
    return http_response(response.status, response.headers, response.body, request)


def _refused(
    host: DjangoHost, endpoint: Endpoint, head: Head, error: SealringError, request: HttpRequest
) -> HttpResponse:
    return _http(refuse(host.service, endpoint, head, error), request)


def _body(admitted: Admitted, request: HttpRequest) -> bytes:
    """The whole body, at most `MAX_BODY_BYTES` of it.

    Raises:
        BodyTooLarge, UnsupportedMediaType, MalformedBody: as `read_input`; the last also where a middleware has parsed
            the body and kept nothing of it.
    """
    if admitted.endpoint.reads is None:
        return b""
    environ = getattr(request, "environ", None)
    is_read = request._read_started  # type: ignore[attr-defined] # noqa: SLF001 - Django's own word for it
    if environ is not None and not is_read:
        return read_input(environ, admitted.head)
    check_framing(admitted.head.headers)
    try:
        body: bytes = request.body if is_read else request.read(MAX_BODY_BYTES + 1)
    except RawPostDataException:
        raise MalformedBody("a middleware of the application has read the body and kept nothing of it") from None
    except UnreadablePostError:
        raise MalformedBody("the client disconnected") from None
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge("more bytes than a body may have")
    return body
