"""The tutorial's own steps, as its readers take them: 401 without a token, 403 with a bad one."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from sealring import jwt
from tests.serving import PASSWORD, bearer, cookie_line, fresh_name, problem, register, shared_demo


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with shared_demo().client() as client:
        yield client


def create_new_user(client: httpx2.Client) -> dict[str, str]:
    answer = client.post("/api/createNewUser", json={"username": fresh_name(), "password": PASSWORD})
    assert answer.status_code == 201
    return dict(answer.json())


def test_create_new_user_answers_201_with_a_token_under_both_names(client: httpx2.Client) -> None:
    answer = client.post("/api/createNewUser", json={"username": (name := fresh_name()), "password": PASSWORD})
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert body["token"] == body["access_token"]
    assert body["username"] == name
    assert body["id"] == jwt.peek(body["token"]).claims["sub"]
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 1800)
    assert client.post("/auth/refresh", json={"refresh_token": body["refresh_token"]}).status_code == 200


def test_user_orders_are_those_of_the_token_and_of_nobody_else(client: httpx2.Client) -> None:
    mine, theirs = create_new_user(client)["token"], create_new_user(client)["token"]
    answer = client.get("/api/userOrders", headers=bearer(mine))
    assert answer.status_code == 200
    orders = answer.json()["orders"]
    assert orders
    assert orders[0].keys() >= {"id", "item", "quantity", "total_cents", "ordered_at"}
    assert client.get("/api/userOrders", headers=bearer(mine)).json()["orders"] == orders, "the same each time"
    assert client.get("/api/userOrders", headers=bearer(theirs)).json()["orders"] != orders


def test_the_cookie_opens_them_too(client: httpx2.Client) -> None:
    register(client, delivery="cookie")
    cookies = {"sealring_access": client.cookies["sealring_access"]}
    client.cookies.clear()
    assert client.get("/api/userOrders", headers=cookie_line(cookies)).status_code == 200
    bad = {"sealring_access": cookies["sealring_access"][:-4] + "AAAA"}
    assert problem(client.get("/api/userOrders", headers=cookie_line(bad))) == (403, "invalid_token")


def test_no_token_is_401_and_a_bad_one_403(client: httpx2.Client) -> None:
    token = create_new_user(client)["token"]
    nothing = client.get("/api/userOrders")
    assert problem(nothing) == (401, "missing_credential")
    assert nothing.headers["www-authenticate"] == 'Bearer realm="sealring"'
    for bad in ("x", token[:-8] + "AAAAAAAA", token + ".x", jwt.sign({"sub": "1"}, jwt.Key.generate("ES256"))):
        answer = client.get("/api/userOrders", headers=bearer(bad))
        assert problem(answer) == (403, "invalid_token")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_token_that_was_logged_out_is_403(client: httpx2.Client) -> None:
    token = create_new_user(client)["token"]
    assert client.post("/auth/logout", headers=bearer(token)).status_code == 204
    assert problem(client.get("/api/userOrders", headers=bearer(token))) == (403, "invalid_token")


@pytest.mark.parametrize("path", ["/api/userOrders/", "/api//userOrders", "/api/userorders", "/api/userOrders;x"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_c13_no_other_spelling_gets_past_the_guard(client: httpx2.Client, path: str, method: str) -> None:
    assert client.request(method, path).status_code in {401, 404}
    assert client.request(method, "/api/userOrders").status_code == 401


def test_c2_another_sites_page_makes_no_account(client: httpx2.Client) -> None:
    name = fresh_name()
    body = {"username": name, "password": PASSWORD}
    assert problem(client.post("/api/createNewUser", json=body, headers={"Sec-Fetch-Site": "cross-site"})) == (
        403,
        "csrf",
    )
    assert client.post("/api/createNewUser", json=body).status_code == 201


def test_names_and_passwords_are_judged_here_as_everywhere(client: httpx2.Client) -> None:
    name = create_new_user(client)["username"]
    again = client.post("/api/createNewUser", json={"username": name, "password": PASSWORD})
    short = client.post("/api/createNewUser", json={"username": fresh_name(), "password": "password"})
    more = client.post("/api/createNewUser", json={"username": fresh_name(), "password": PASSWORD, "admin": True})
    assert [problem(each) for each in (again, short, more)] == [
        (409, "name_taken"),
        (422, "invalid_field"),
        (422, "invalid_field"),
    ]
