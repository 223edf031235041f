"""What OpenAPI says of a body is what is asked of it, and bounds are said where a client can read them."""

from __future__ import annotations

from typing import Any

import pytest

from sealring.accounts.names import check_email, check_name
from sealring.accounts.policy import AccountPolicy
from sealring.errors import InvalidField
from sealring.http.openapi import document
from sealring.http.request_errors import InvalidFields
from sealring.http.routes import ENDPOINTS
from sealring.http.schemas import LoginRequest, Registration, read_struct

DOCUMENT = document(ENDPOINTS)


def body_of(path: str) -> dict[str, Any]:
    described: dict[str, Any] = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    properties: dict[str, Any] = described["properties"]
    return properties


def test_a_new_account_is_described_with_its_bounds() -> None:
    fields = body_of("/register")
    assert fields["username"] == {"type": "string", "minLength": 1, "maxLength": 256}
    assert fields["password"] == {"type": "string", "minLength": 8, "maxLength": 1536}
    assert fields["email"]["anyOf"][0] == {"type": "string", "pattern": "^[^@]+@[^@]+$", "maxLength": 254}
    assert body_of("/password")["new"] == fields["password"]


@pytest.mark.parametrize("username", ["", "a" * 257])
def test_a_username_out_of_the_bounds_that_are_said_is_refused(username: str) -> None:
    with pytest.raises(InvalidField, match="username"):
        check_name(username)


@pytest.mark.parametrize("password", ["x7f-q2k", "long enough " * 128 + "!"])
def test_a_password_out_of_the_bounds_that_are_said_is_refused(password: str) -> None:
    assert len(password) in {7, 1537}
    with pytest.raises(InvalidField, match="password"):
        AccountPolicy(password_min_length=8).check_password(password, None)


@pytest.mark.parametrize("email", ["ann", "@example.com", "ann@", "a@b@example.com", f"ann@{'a' * 245}.com.co"])
def test_an_address_out_of_the_bounds_that_are_said_is_refused(email: str) -> None:
    with pytest.raises(InvalidField, match="email"):
        check_email(email)


def test_i11_what_only_has_to_match_has_no_bounds() -> None:
    """A length that no password has is answered as every other wrong password."""
    assert body_of("/login")["username"] == body_of("/login")["password"] == {"type": "string"}
    assert body_of("/password")["current"] == {"type": "string"}
    read_struct(LoginRequest, {"username": "", "password": "x" * 60_000})


def test_bounds_are_refused_in_the_words_of_the_account_rules_not_of_the_schema() -> None:
    assert read_struct(Registration, {"username": "", "password": ""}).username == ""
    with pytest.raises(InvalidFields) as refused:
        read_struct(Registration, {"username": 1, "password": None, "email": 5})
    assert {one.reason for one in refused.value.fields} == {"must be a string"}


def test_times_and_ids_of_answers_are_described() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Tokens"]["properties"]["expires_in"] == {"type": "integer", "minimum": 0}
    session = schemas["OneSession"]["properties"]
    assert session["id"]["pattern"] == "^[A-Za-z0-9_-]{22}$"
    for name in ("created_at", "last_seen_at", "expires_at"):
        assert session[name] == {"type": "integer", "minimum": 0, "description": "Unix seconds."}
