"""What is decided of a request before and after its body, on rows of the test's own and a whole service."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from sealring.errors import InvalidField, NotFound, Overloaded, SealringError, SecondFactorRequired, UnknownMethod
from sealring.http.endpoint import Call, Endpoint, Form, Head, Response
from sealring.http.pipeline import Admitted, admit, refuse_unserved, serve
from sealring.http.problems import SECURITY_HEADERS
from sealring.http.request_errors import (
    BodyTooLarge,
    CrossSite,
    InvalidRequest,
    MethodNotAllowed,
    MissingCredential,
    UnknownParameter,
    UnsupportedMediaType,
)
from sealring.http.service import AuthService
from tests.serving import cheap_sealring

FRONT_END = b"https://app.example"
JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded")


class Order(msgspec.Struct, forbid_unknown_fields=True):
    item: str


class Page(msgspec.Struct, forbid_unknown_fields=True):
    after: str = ""


async def answer_nothing(call: Call[Any]) -> None:
    """Nothing."""


def row(**fields: Any) -> Endpoint:
    usual: dict[str, Any] = {"method": "POST", "path": "/x", "operation_id": "x", "part": "service"}
    return Endpoint(**usual | {"run": answer_nothing, "answers": {204: None}} | fields)


def head(*headers: tuple[bytes, bytes], method: str = "POST", query: bytes | None = b"", host: str = "") -> Head:
    scope = {"type": "http", "method": method, "path": "/x", "headers": list(headers), "client": ("192.0.2.1", 1)}
    if query is not None:
        scope["query_string"] = query
    return Head(scope, frozenset(host.split()))


@pytest.fixture
def service() -> AuthService:
    return cheap_sealring(allowed_origins="https://app.example")._service()


def admitted(service: AuthService, endpoint: Endpoint, asked: Head, path: dict[str, str] | None = None) -> Admitted:
    return admit(service, endpoint, path or {}, asked)


def served(service: AuthService, endpoint: Endpoint, asked: Head, body: bytes | SealringError = b"") -> Response:
    async def read() -> bytes:
        if isinstance(body, SealringError):
            raise body
        return body

    async def scenario() -> Response:
        return await serve(service, endpoint, {}, asked, read)

    return asyncio.run(scenario())


def code(response: Response) -> tuple[int, str]:
    return response.status, json.loads(response.body)["code"]


def test_who_is_unknown_learns_nothing_of_what_a_route_reads(service: AuthService) -> None:
    with pytest.raises(MissingCredential):
        admitted(service, row(caller=True, reads=Order), head(query=b"unknown=1"))
    assert admitted(service, row(), head()).caller is None


@pytest.mark.parametrize(
    ("endpoint", "query", "host", "found"),
    [
        (row(), b"", "", None),
        (row(), None, "", None),
        (row(), b"mine=1", "mine", None),
        (row(any_query=True), b"other=1", "", None),
        (row(method="GET"), b"cache=1", "", None),
        (row(query=Page), b"", "", Page()),
        (row(query=Page), None, "", Page()),
        (row(query=Page), b"after=5", "", Page("5")),
        (row(query=Page), b"after=", "", Page("")),
        (row(query=Page), b"mine=1&after=5&mine=2", "mine", Page("5")),
        (row(query=Page, method="GET"), b"after=5", "", Page("5")),
        (row(query=Page, any_query=True), b"x=1&after=5", "", Page("5")),
    ],
)
def test_a_query_is_read_as_the_row_says(
    service: AuthService, endpoint: Endpoint, query: bytes | None, host: str, found: Page | None
) -> None:
    assert admitted(service, endpoint, head(query=query, host=host)).query == found


@pytest.mark.parametrize(
    ("endpoint", "query", "refusal"),
    [
        (row(), b"Keep=current", UnknownParameter),
        (row(method="DELETE"), b"keep=", UnknownParameter),
        (row(query=Page), b"After=5", UnknownParameter),
        (row(query=Page, method="GET"), b"After=5", UnknownParameter),
        (row(query=Page), b"after=5&after=5", InvalidRequest),
        (row(query=Page, any_query=True), b"after=5&after=6", InvalidRequest),
    ],
)
def test_n14_any_other_query_is_refused(
    service: AuthService, endpoint: Endpoint, query: bytes, refusal: type[SealringError]
) -> None:
    with pytest.raises(refusal) as refused:
        admitted(service, endpoint, head(query=query))
    assert type(refused.value) is refusal


def test_c2_another_sites_page_is_refused_where_the_row_says_so(service: AuthService) -> None:
    elsewhere = head((b"sec-fetch-site", b"cross-site"))
    with pytest.raises(CrossSite):
        admitted(service, row(page="own"), elsewhere)
    admitted(service, row(page="any"), elsewhere)
    admitted(service, row(page="own"), head((b"sec-fetch-site", b"same-origin")))


def test_c4_a_body_of_another_type_is_refused_before_it_is_read(service: AuthService) -> None:
    form = row(reads=Form(lambda _: {}))
    admitted(service, form, head(FORM))
    admitted(service, row(reads=Order), head(JSON))
    admitted(service, row(), head((b"content-type", b"text/plain")))
    for endpoint, given in ((form, JSON), (row(reads=Order), FORM)):
        with pytest.raises(UnsupportedMediaType):
            admitted(service, endpoint, head(given))


def test_n7_a_full_queue_refuses_those_who_would_wait_in_it(service: AuthService) -> None:
    password = {"method": "password"}
    for endpoint in (row(queue="hashing"), row(queue="method")):
        admitted(service, endpoint, head(), password)
    with pytest.raises(UnknownMethod):
        admitted(service, row(queue="method"), head(), {"method": "guess"})
    queue = service.issuer.accounts._hasher.queue
    queue.free = queue.max_waiting = 0
    for endpoint in (row(queue="hashing"), row(queue="method")):
        with pytest.raises(Overloaded):
            admitted(service, endpoint, head(), password)
    admitted(service, row(), head())


def test_a_body_is_read_as_the_row_says(service: AuthService) -> None:
    bodies: list[Any] = []

    async def keep(call: Call[Any]) -> None:
        bodies.append(call.body)

    served(service, row(run=keep), head(), InvalidRequest("a body that nobody wants is not read"))
    served(service, row(run=keep, reads=Order), head(JSON), b'{"item":"tea"}')
    served(service, row(run=keep, reads=Order, optional=True), head())
    served(service, row(run=keep, reads=Form(lambda _: {})), head(FORM), b"item=tea")
    assert bodies == [None, Order("tea"), None, {"item": "tea"}]
    missing = served(service, row(run=keep, reads=Order), head())
    assert code(missing) == (422, "invalid_field")
    assert json.loads(missing.body)["errors"] == [{"field": "body", "reason": "field required"}]
    assert code(served(service, row(run=keep, reads=Order, optional=True), head(JSON), b"{}")) == (422, "invalid_field")
    assert len(bodies) == 4


def test_an_answer_is_what_the_endpoint_returns(service: AuthService) -> None:
    async def order(call: Call[Any]) -> Order:
        call.headers.append((b"x-own", b"1"))
        return Order("tea")

    async def page(call: Call[Any]) -> Response:
        call.headers.append((b"x-own", b"1"))
        return Response(404, [(b"cache-control", b"public")], b"gone")

    found = served(service, row(run=order, answers={201: Order}), head())
    assert (found.status, found.body) == (201, b'{"item":"tea"}')
    assert [field for field in found.headers if field[0] in {b"content-type", b"x-own", b"content-length"}] == [
        JSON,
        (b"x-own", b"1"),
        (b"content-length", b"14"),
    ]
    assert {name for name, _ in SECURITY_HEADERS} <= {name for name, _ in found.headers}
    own = served(service, row(run=page), head())
    assert (own.status, own.body) == (404, b"gone")
    assert [value for name, value in own.headers if name == b"cache-control"] == [b"public"]
    assert dict(own.headers)[b"x-own"] == b"1"
    assert dict(own.headers)[b"content-length"] == b"4"
    nothing = served(service, row(), head())
    assert (nothing.status, nothing.body) == (204, b"")
    assert b"content-length" not in dict(nothing.headers)
    assert dict(nothing.headers)[b"cache-control"] == b"no-store"


def test_a_refusal_takes_the_form_of_the_row_and_its_login_cookie(service: AuthService) -> None:
    async def refuse(call: Call[Any]) -> None:
        call.headers.append((b"x-success", b"1"))
        raise InvalidField("item", "no tea")

    refused = served(service, row(run=refuse), head())
    assert code(refused) == (422, "invalid_field")
    assert b"set-cookie" not in dict(refused.headers)
    assert b"x-success" not in dict(refused.headers)
    other = served(service, row(run=refuse, refuse=lambda error: Response(400, [], error.code.encode())), head())
    assert (other.status, other.body) == (400, b"invalid_field")

    async def ask_for_more(_: Call[Any]) -> None:
        needed = SecondFactorRequired("p", ("code",))
        needed.cookie = (b"set-cookie", b"a=b")
        raise needed

    assert dict(served(service, row(run=ask_for_more), head()).headers)[b"set-cookie"] == b"a=b"


def test_refusals_are_counted_by_their_cause(service: AuthService) -> None:
    causes: list[SealringError] = []
    served(replace(service, refused=causes.append), row(), head(query=b"unknown=1"))
    assert [type(cause) for cause in causes] == [UnknownParameter]


def test_the_connection_ends_where_the_rest_of_the_body_is_not_waited_for(service: AuthService) -> None:
    large = BodyTooLarge("too large")
    assert dict(served(service, row(reads=Order), head(JSON), large).headers)[b"connection"] == b"close"
    assert b"connection" not in dict(served(service, row(), head(query=b"unknown=1")).headers)


def test_the_store_is_opened_for_rows_that_need_it(service: AuthService) -> None:
    opened: list[str] = []

    async def note() -> None:
        opened.append("opened")

    noting = replace(service, open=note)
    served(noting, row(opens=False), head())
    assert opened == []
    served(noting, row(), head())
    assert opened == ["opened"]


def test_only_a_preflight_of_a_path_that_is_served_is_answered_as_one(service: AuthService) -> None:
    asks = ((b"origin", FRONT_END), (b"access-control-request-method", b"POST"))
    wrong = MethodNotAllowed(("POST",))
    allowed = refuse_unserved(service, head(*asks, method="OPTIONS"), wrong)
    assert (allowed.status, dict(allowed.headers)[b"access-control-allow-methods"]) == (204, b"POST")
    assert code(refuse_unserved(service, head(*asks, method="OPTIONS"), NotFound("no such route"))) == (
        404,
        "not_found",
    )
    put = refuse_unserved(service, head(*asks, method="PUT"), wrong)
    assert (put.status, dict(put.headers)[b"allow"]) == (405, b"POST")
    causes: list[SealringError] = []
    stranger = ((b"origin", b"https://evil.example"), asks[1])
    refused = refuse_unserved(replace(service, refused=causes.append), head(*stranger, method="OPTIONS"), wrong)
    assert refused.status == 403
    assert [cause.code for cause in causes] == ["origin_not_allowed"]
    for response, origin in ((allowed, FRONT_END), (put, FRONT_END), (refused, None)):
        assert dict(response.headers).get(b"access-control-allow-origin") == origin
        assert b"Origin" in dict(response.headers)[b"vary"]


def test_a_front_end_elsewhere_may_read_answers_and_refusals(service: AuthService) -> None:
    for asked in (head((b"origin", FRONT_END)), head((b"origin", FRONT_END), query=b"unknown=1")):
        assert dict(served(service, row(), asked).headers)[b"access-control-allow-origin"] == FRONT_END
