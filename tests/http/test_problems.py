from __future__ import annotations

import asyncio
import inspect
import logging
import re
from typing import Any

import msgspec
import pytest

from sealring import errors
from sealring.errors import SealringError
from sealring.http import request_errors
from sealring.http.problems import ANSWERS, Answer, answer, is_refusal, report, row_of, send_answer
from sealring.sessions.step_up import StepUp

MADE: dict[type[SealringError], SealringError] = {
    errors.MissingClaim: errors.MissingClaim("sub"),
    errors.BadClaim: errors.BadClaim("sub", "a string"),
    errors.Revoked: errors.Revoked("session"),
    errors.Stale: errors.Stale(3),
    errors.WrongCredentials: errors.WrongCredentials(),
    errors.WrongPassword: errors.WrongPassword(),
    errors.NotGranted: errors.NotGranted(),
    errors.NameTaken: errors.NameTaken(),
    errors.SecondFactorRequired: errors.SecondFactorRequired("sealring_pl1_x", ("code",)),
    errors.InvalidField: errors.InvalidField("username", "too short"),
    request_errors.InvalidFields: request_errors.InvalidFields(
        (errors.InvalidField("a", "b"), errors.InvalidField("c", "d"))
    ),
    errors.Throttled: errors.Throttled(42),
    request_errors.InsufficientScope: request_errors.InsufficientScope(("orders:read", "orders:write")),
    request_errors.InsufficientAuthentication: request_errors.InsufficientAuthentication(
        StepUp(max_age=300, acr="mfa")
    ),
    request_errors.MethodNotAllowed: request_errors.MethodNotAllowed(("POST", "GET")),
}


def takes_nothing(kind: type[SealringError]) -> bool:
    return inspect.isfunction(kind.__init__) and list(inspect.signature(kind.__init__).parameters) == ["self"]


ALL = [
    MADE.get(kind) or (kind() if takes_nothing(kind) else kind("secret detail"))
    for module in (errors, request_errors)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, SealringError) and kind.__module__ == module.__name__
]
TOKEN_ERRORS = [
    error
    for error in ALL
    if isinstance(error, errors.TokenError) and not isinstance(error, errors.Stale | errors.TokenBound)
]
ATTRIBUTE = r'(?:realm|error|error_description|scope|algs|max_age|acr_values)="[\x20-\x21\x23-\x5b\x5d-\x7e]*"'


def fields(reply: Answer) -> dict[bytes, bytes]:
    assert len({name for name, _ in reply.headers}) == len(reply.headers)
    return dict(reply.headers)


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_every_error_has_an_answer_that_is_well_formed(error: SealringError) -> None:
    reply = answer(error)
    body: dict[str, Any] = msgspec.json.decode(reply.body)
    assert {"type", "title", "status", "detail", "code"} <= body.keys() <= {
        "type", "title", "status", "detail", "code", "errors", "pending", "methods", "max_age",
        "acr_values",
    }  # fmt: skip
    assert body["status"] == reply.status
    assert 400 <= reply.status <= 499 or reply.status == 503
    head = fields(reply)
    assert head[b"content-type"] == b"application/problem+json"
    assert head[b"content-length"] == b"%d" % len(reply.body)
    assert head[b"cache-control"] == b"no-store"
    assert head[b"x-content-type-options"] == b"nosniff"
    assert b"frame-ancestors 'none'" in head[b"content-security-policy"]
    assert b"secret detail" not in reply.body
    for value in head.values():
        assert re.fullmatch(rb"[\x20-\x7e]*", value)


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_a_challenge_is_what_rfc_6750_allows(error: SealringError) -> None:
    reply = answer(error)
    challenge = fields(reply).get(b"www-authenticate")
    if reply.status == 401:
        assert challenge is not None
    if challenge is not None:
        text = challenge.decode()
        scheme = "Basic" if isinstance(error, errors.ClientRefused) else "Bearer"  # RFC 6749 §5.2
        if isinstance(error, errors.InvalidProof | errors.TokenBound):
            scheme = "DPoP"  # RFC 9449 §7.1
        assert ("algs=" in text) == (scheme == "DPoP")
        assert re.fullmatch(rf"{scheme} {ATTRIBUTE}(?:, {ATTRIBUTE})*", text)
        names = re.findall(r'(\w+)="', text)
        assert len(names) == len(set(names))
        assert names[0] == "realm"


def test_q27_the_four_answers() -> None:
    none = answer(request_errors.MissingCredential("none"))
    assert (none.status, fields(none)[b"www-authenticate"]) == (401, b'Bearer realm="sealring"')
    bad = answer(errors.Expired("expired"))
    assert bad.status == 401
    assert fields(bad)[b"www-authenticate"].startswith(b'Bearer realm="sealring", error="invalid_token", error_desc')
    two = answer(request_errors.InvalidRequest("two"))
    assert (two.status, b'error="invalid_request"' in fields(two)[b"www-authenticate"]) == (400, True)
    scope = answer(request_errors.InsufficientScope(("orders:read", "x y", 'q"')))
    assert scope.status == 403
    assert b'error="insufficient_scope"' in fields(scope)[b"www-authenticate"]
    assert fields(scope)[b"www-authenticate"].endswith(b', scope="orders:read"')


def test_every_refused_token_gets_the_same_bytes() -> None:
    assert len(TOKEN_ERRORS) == 19
    replies = {(reply.status, tuple(reply.headers), reply.body) for reply in map(answer, TOKEN_ERRORS)}
    assert len(replies) == 1
    status, _, body = replies.pop()
    assert status == 401
    bound = answer(errors.TokenBound())
    assert (bound.status, bound.body) == (status, body)  # its challenge alone says that a proof is missing


def test_an_operator_hears_that_there_is_no_such_account() -> None:
    reply = answer(errors.NoSuchAccount("x"))
    assert reply.status == 404
    assert b"no account has this id or username" in reply.body


def test_only_an_unfit_setting_or_key_is_no_refusal() -> None:
    kinds = [errors.SealringError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    blank = {kind: kind.__new__(kind) for kind in kinds}
    unfit = {kind for kind in kinds if issubclass(kind, errors.KeyRefused | errors.ConfigurationError)}
    assert {kind for kind, error in blank.items() if not is_refusal(error)} == unfit
    assert not is_refusal(ValueError("x"))


def test_the_403_of_tutorials_is_for_refused_tokens_only() -> None:
    assert answer(errors.BadSignature("x"), invalid_status=403).status == 403
    assert answer(request_errors.MissingCredential("x"), invalid_status=403).status == 401
    assert answer(errors.Stale(), invalid_status=403).status == 503
    assert answer(request_errors.InvalidRequest("x"), invalid_status=403).status == 400
    assert answer(errors.SessionEnded("x"), invalid_status=403).status == 401


@pytest.mark.parametrize(
    ("error", "status", "seconds"),
    [
        (errors.Stale(3), 503, b"3"),
        (errors.Throttled(42), 429, b"42"),
        (errors.Overloaded("full", 7), 503, b"7"),
        (errors.StoreUnavailable("gone", 0), 503, b"1"),
    ],
)
def test_try_again_later_says_when(error: SealringError, status: int, seconds: bytes) -> None:
    reply = answer(error)
    assert (reply.status, fields(reply)[b"retry-after"]) == (status, seconds)
    assert b"www-authenticate" not in fields(reply)


def test_field_errors_name_the_field_and_survive_any_text() -> None:
    error = request_errors.InvalidFields(
        (errors.InvalidField("user\ud800name" + "x" * 200, "b"), errors.InvalidField("c", "d"))
    )
    body = msgspec.json.decode(answer(error).body)
    assert body["errors"][0]["field"].startswith("user?name")
    assert len(body["errors"][0]["field"]) == 100
    assert body["errors"][1] == {"field": "c", "reason": "d"}


def test_an_error_without_a_row_answers_as_its_parent() -> None:
    class Odd(errors.TokenError):
        code = "odd"

    assert row_of(Odd("x")) is ANSWERS[errors.TokenError]
    assert row_of(errors.ConfigurationError("x")).status == 503


def test_d6_the_log_has_the_true_cause_as_fields_and_nothing_raw(caplog: pytest.LogCaptureFixture) -> None:
    counted: list[str] = []
    caplog.set_level(logging.INFO, "sealring")
    report(
        errors.Revoked("session"), where="/me\r\nforged: line\x1b[0m", refused=lambda error: counted.append(error.code)
    )
    (record,) = caplog.records
    assert record.getMessage() == "request refused"
    assert record.__dict__["sealring"] == {
        "code": "revoked",
        "cause": "session",
        "where": "/me\\r\\nforged: line\\x1b[0m",
    }
    assert record.levelno == logging.INFO
    assert counted == ["revoked"]


def test_what_is_our_own_fault_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    report(errors.Stale(), where="/")
    assert caplog.records[0].levelno == logging.WARNING


def sent(error: SealringError, **scope: Any) -> list[Any]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    asyncio.run(send_answer(answer(error), {"type": "http", "method": "GET", **scope}, send))
    return messages


def test_an_answer_goes_out_over_asgi() -> None:
    start, body = sent(errors.NotFound("x"))
    assert (start["type"], start["status"]) == ("http.response.start", 404)
    assert body == {"type": "http.response.body", "body": answer(errors.NotFound("x")).body}
    assert sent(errors.NotFound("x"), method="HEAD")[1]["body"] == b""


def test_a_websocket_is_refused_in_the_way_that_its_server_knows() -> None:
    assert sent(errors.NotFound("x"), type="websocket") == [{"type": "websocket.close", "code": 1008}]
    start, _ = sent(errors.NotFound("x"), type="websocket", extensions={"websocket.http.response": {}})
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)


@pytest.mark.parametrize(
    ("error", "version", "closes"),
    [
        (request_errors.BodyTooLarge("x"), "1.1", True),
        (request_errors.RequestTimeout("x"), "1.0", True),
        (request_errors.HeadersTooLarge("x"), "1.1", True),
        (request_errors.RequestRefused("framed in two ways"), "1.1", True),
        (request_errors.BodyTooLarge("x"), "2", False),
        (errors.NotFound("x"), "1.1", False),
    ],
)
def test_what_is_not_read_to_its_end_ends_the_connection(
    error: SealringError,
    version: str,
    closes: bool,  # noqa: FBT001 - a table's column
) -> None:
    start, _ = sent(error, http_version=version)
    assert ((b"connection", b"close") in start["headers"]) is closes


def test_one_more_factor_comes_with_what_the_next_step_needs() -> None:
    body = msgspec.json.decode(answer(errors.SecondFactorRequired("sealring_pl1_x", ("code", "key"))).body)
    assert (body["pending"], body["methods"]) == ("sealring_pl1_x", ["code", "key"])
    for error in ALL:
        if not isinstance(error, errors.SecondFactorRequired):
            assert not {"pending", "methods"} & msgspec.json.decode(answer(error).body).keys()
