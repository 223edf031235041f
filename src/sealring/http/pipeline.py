"""From the head of a request to its answer: `admit` before a byte of the body is read, `respond` after.

The cut is where servers differ: an asynchronous one awaits the body under a deadline, a synchronous one reads it in the
request's own thread. `admit` does no I/O. It asks in this order who is there (nobody else learns what a route reads),
whether the query is known, whose page asks, what the body is said to be, and whether there is room. `respond` reads
the body strictly, naming every field that is wrong, calls the endpoint and writes its answer. `serve` is the whole for
asynchronous servers. Every answer carries the security headers, unless the endpoint says its own, and those of CORS.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

import msgspec

from sealring.errors import InvalidField, NotFound, SealringError, Stale, TokenError
from sealring.http.body import check_form_type, check_json_type, parse_form, parse_json
from sealring.http.cors import answer_preflight, is_preflight, with_cors
from sealring.http.endpoint import Call, Endpoint, Form, Head, HeaderList, Response, has_body
from sealring.http.fetch_metadata import check_same_origin
from sealring.http.problems import SECURITY_HEADERS, answer, must_close, report
from sealring.http.request_errors import (
    InvalidFields,
    InvalidRequest,
    MethodNotAllowed,
    MissingCredential,
    OriginNotAllowed,
    UnknownParameter,
)
from sealring.http.schemas import read_struct
from sealring.http.verifying_service import VerifyingService
from sealring.verifier.principal import Principal

if TYPE_CHECKING:
    from sealring.http.service import AuthService

_write = msgspec.json.Encoder().encode
_JSON = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request whose body may be read."""

    endpoint: Endpoint
    head: Head
    path: Mapping[str, str]
    query: Any
    caller: Principal | None


def admit(service: VerifyingService, endpoint: Endpoint, path: Mapping[str, str], head: Head) -> Admitted:
    """Decide all that can be decided before a byte of the body is read; no I/O.

    Raises:
        SealringError: why not; `refuse` answers with it.
    """
    caller = _find_caller(service, endpoint, head) if endpoint.caller else None
    query = _read_query(endpoint, head)
    if endpoint.page == "own":
        check_same_origin(head.headers, service.origins)
    if isinstance(endpoint.reads, Form):
        check_form_type(head.headers)
    elif endpoint.reads is not None:
        check_json_type(head.headers)
    service.check_room(endpoint, path, head)
    return Admitted(endpoint, head, path, query, caller)


def _find_caller(service: VerifyingService, endpoint: Endpoint, head: Head) -> Principal | None:
    try:
        return service.caller(head, clients=endpoint.clients, step_up=endpoint.step_up)
    except (MissingCredential, TokenError) as refusal:
        if isinstance(refusal, Stale) or not endpoint.holder or not service.holds_session(head):
            raise
        return None


async def respond(service: VerifyingService, admitted: Admitted, raw: bytes) -> Response:
    """Answer a request that was admitted and whose body is `raw`.

    Raises:
        SealringError: the form of the body refuses; `refuse` answers with it.
    """
    response = await _run(service, admitted, raw)
    return with_cors(response, admitted.head.headers, service.origins, public=admitted.endpoint.public)


async def _run(service: VerifyingService, admitted: Admitted, raw: bytes) -> Response:
    endpoint = admitted.endpoint
    served = cast("AuthService", service)  # a row that asks for more than verifying is served by what has it
    call: Call[Any] = Call(
        served, admitted.head, _read_body(admitted, raw), admitted.query, admitted.caller, admitted.path
    )
    try:
        value = await endpoint.run(call)
    except SealringError as error:
        return _refusal(service, endpoint, admitted.head, error)
    if isinstance(value, Response):
        return Response(value.status, _headers(value.status, [*value.headers, *call.headers], value.body), value.body)
    if value is None:
        return Response(endpoint.status, _headers(endpoint.status, call.headers, b""))
    body = _write(value)
    return Response(endpoint.status, _headers(endpoint.status, [_JSON, *call.headers], body), body)


def refuse(service: VerifyingService, endpoint: Endpoint, head: Head, error: SealringError) -> Response:
    """Answer with a refusal, and log and count it."""
    return with_cors(_refusal(service, endpoint, head, error), head.headers, service.origins, public=endpoint.public)


def _refusal(service: VerifyingService, endpoint: Endpoint, head: Head, error: SealringError) -> Response:
    report(error, where=endpoint.path, refused=service.refused)
    reply = answer(error)
    response = Response(reply.status, reply.headers, reply.body) if endpoint.refuse is None else endpoint.refuse(error)
    if must_close(reply, head.scope):
        response.headers.append((b"connection", b"close"))
    return response


def refuse_unserved(service: VerifyingService, head: Head, error: NotFound | MethodNotAllowed) -> Response:
    """Answer where no row of the table serves the request: 404, 405, or a CORS preflight, which is no request yet."""
    headers = head.headers
    if isinstance(error, MethodNotAllowed) and is_preflight(head.scope["method"], headers):
        try:
            return answer_preflight(headers, service.origins, error.allowed, public=error.public)
        except OriginNotAllowed as refusal:
            report(refusal, where=head.scope["path"], refused=service.refused)
            reply = answer(refusal)
    else:
        reply = answer(error)
    return with_cors(Response(reply.status, reply.headers, reply.body), headers, service.origins)


async def serve(
    service: VerifyingService,
    endpoint: Endpoint,
    path: Mapping[str, str],
    head: Head,
    read: Callable[[], Awaitable[bytes]],
) -> Response:
    """Serve a request; `read` gives its body, and is not called where none is wanted."""
    try:
        if endpoint.opens:
            await service.open()
        admitted = admit(service, endpoint, path, head)
        raw = b"" if endpoint.reads is None else await read()
        return await respond(service, admitted, raw)
    except SealringError as error:
        return refuse(service, endpoint, head, error)


def _read_query(endpoint: Endpoint, head: Head) -> Any:
    """The query as the row's struct. `?Keep=current` must not end all sessions, so unknown names are refused (N14).

    Where nothing is changed and nothing read from the query, any query is ignored: probes and caches add their own.
    """
    text = head.scope.get("query_string", b"")
    if endpoint.query is None and (not text or endpoint.method == "GET"):
        return None
    wanted = set() if endpoint.query is None else {one.encode_name for one in msgspec.structs.fields(endpoint.query)}
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text.decode("latin-1"), keep_blank_values=True):
        if name in wanted:
            if name in found:
                raise InvalidRequest("a query parameter came twice")  # RFC 6750 §3.1
            found[name] = value
        elif not endpoint.any_query and name not in head.host_query:
            raise UnknownParameter("a query parameter that this route does not read")
    return None if endpoint.query is None else read_struct(endpoint.query, found)


def _read_body(admitted: Admitted, raw: bytes) -> Any:
    reads = admitted.endpoint.reads
    if reads is None:
        return None
    if isinstance(reads, Form):
        return parse_form(raw)
    given = parse_json(admitted.head.headers, raw)
    if given is None:
        if admitted.endpoint.optional:
            return None
        raise InvalidFields((InvalidField("body", "field required"),))
    return read_struct(reads, given)


def _headers(status: int, own: HeaderList, body: bytes) -> HeaderList:
    given = {name for name, _ in own}
    headers = [*own, *(field for field in SECURITY_HEADERS if field[0] not in given)]
    if has_body(status):
        headers.append((b"content-length", b"%d" % len(body)))
    return headers
