"""Register, log in, refresh, log out: statuses, bodies, cookies, in both deliveries, over real HTTP (contract §4)."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx2
import pytest

from sealring import jwt
from tests.serving import PASSWORD, bearer, cookie_line, fresh_name, problem, register

ACCESS, SESSION, REFRESH, DEVICE = "sealring_access", "sealring_session", "sealring_refresh", "sealring_device"
SAME = {"Sec-Fetch-Site": "same-origin"}
CROSS = {"Sec-Fetch-Site": "cross-site"}


def cookies_of(answer: httpx2.Response) -> dict[str, Morsel[str]]:
    found: dict[str, Morsel[str]] = {}
    for line in answer.headers.get_list("set-cookie"):
        for name, morsel in SimpleCookie(line).items():
            assert name not in found, "one cookie set twice in one answer"
            found[name] = morsel
    return found


def values(answer: httpx2.Response) -> dict[str, str]:
    return {name: morsel.value for name, morsel in cookies_of(answer).items()}


def sign_up_with_cookies(client: httpx2.Client) -> tuple[dict[str, str], str, str]:
    """Cookies, CSRF token and user name of a new account; the client's own jar stays empty."""
    name = fresh_name()
    answer = client.post("/auth/register", json={"username": name, "password": PASSWORD, "delivery": "cookie"})
    assert answer.status_code == 201
    client.cookies.clear()
    return values(answer), answer.json()["csrf_token"], name


# in the body


def test_register_answers_201_with_tokens_and_the_user(client: httpx2.Client) -> None:
    name = fresh_name()
    answer = client.post(
        "/auth/register", json={"username": name, "password": PASSWORD, "email": "somebody@example.com"}
    )
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert body.keys() == {
        "access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in", "scope", "user", "device",
    }  # fmt: skip
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 1800
    assert body["refresh_expires_in"] == 14 * 86_400
    assert body["user"] == {
        "id": jwt.peek(body["access_token"]).claims["sub"],
        "username": name,
        "email": "somebody@example.com",
        "email_verified": False,
        "scopes": [],
    }


def test_the_access_token_says_what_the_contract_says_and_no_name(client: httpx2.Client, demo: Any) -> None:
    body = register(client, email="grace@example.com")
    peeked = jwt.peek(body["access_token"])
    claims = peeked.claims
    assert peeked.header.keys() == {"alg", "kid", "typ"}
    assert (peeked.header["alg"], peeked.header["typ"]) == ("ES256", "at+jwt")
    assert claims.keys() == {
        "iss", "aud", "sub", "client_id", "sid", "jti", "iat", "exp", "session_expiry", "auth_time", "amr", "acr",
        "epoch", "scope",
    }  # fmt: skip
    assert claims["iss"] == claims["aud"] == demo.url
    assert claims["exp"] - claims["iat"] == 1800
    assert claims["auth_time"] == claims["iat"]
    assert (claims["amr"], claims["acr"]) == (["pwd"], "sfa")
    assert len(claims["sid"]) == 22
    assert claims["epoch"] == 0
    assert claims["scope"] == ""


def test_log_in_answers_the_same_with_200_and_another_session(client: httpx2.Client) -> None:
    first = register(client, name := fresh_name())
    answer = client.post("/auth/login", json={"username": name.upper(), "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json().keys() == first.keys()
    assert answer.json()["user"] == first["user"]
    assert jwt.peek(answer.json()["access_token"]).claims["sid"] != jwt.peek(first["access_token"]).claims["sid"]
    assert client.get("/auth/me", headers=bearer(first["access_token"])).status_code == 200


def test_a_taken_name_is_409(client: httpx2.Client) -> None:
    register(client, name := fresh_name())
    again = client.post("/auth/register", json={"username": name.title(), "password": PASSWORD})
    assert problem(again) == (409, "name_taken")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"password": "short"}, "password"),
        ({"password": "x" * 2000}, "password"),
        ({"username": ""}, "username"),
        ({"username": "a\u200bb"}, "username"),
        ({"email": "no address"}, "email"),
        ({"email": 7}, "email"),
        ({"delivery": "pigeon"}, "delivery"),
        ({"username": None}, "username"),
        ({"password": ["seven blue otters sing"]}, "password"),
        ({"is_admin": True}, "is_admin"),
        ({"id": "1"}, "id"),
        ({"email_verified": True}, "email_verified"),
        ({"scopes": ["admin"]}, "scopes"),
    ],
)
def test_u16_what_cannot_be_accepted_is_422_and_names_its_field(
    client: httpx2.Client, fields: dict[str, Any], field: str
) -> None:
    answer = client.post("/auth/register", json={"username": fresh_name(), "password": PASSWORD} | fields)
    assert problem(answer) == (422, "invalid_field")
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert PASSWORD not in answer.text


def test_u1_wrong_and_unknown_look_alike_to_the_byte(client: httpx2.Client) -> None:
    register(client, name := fresh_name())
    wrong = client.post("/auth/login", json={"username": name, "password": "wrong" * 4})
    unknown = client.post("/auth/login", json={"username": name + "x", "password": PASSWORD})
    impossible = client.post("/auth/login", json={"username": "\u202e", "password": "x" * 2000})
    empty = client.post("/auth/login", json={"username": "", "password": ""})
    assert problem(wrong) == (401, "invalid_credentials")
    for other in (unknown, impossible, empty):
        assert other.content == wrong.content
        assert {**other.headers, "date": ""} == {**wrong.headers, "date": ""}


def test_refresh_gives_new_tokens_of_the_same_session(client: httpx2.Client) -> None:
    first = register(client)
    answer = client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    second = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert second.keys() == first.keys() - {"user", "device"}
    assert second["refresh_token"] != first["refresh_token"]
    old, new = (jwt.peek(each["access_token"]).claims for each in (first, second))
    for name in ("sid", "auth_time", "amr", "acr"):
        assert old[name] == new[name]
    assert old["jti"] != new["jti"]
    assert client.get("/auth/me", headers=bearer(second["access_token"])).status_code == 200


def test_r2_reuse_over_http_ends_the_session(client: httpx2.Client) -> None:
    tokens = register(client)
    first = tokens["refresh_token"]
    second = client.post("/auth/refresh", json={"refresh_token": first}).json()["refresh_token"]
    third = client.post("/auth/refresh", json={"refresh_token": second}).json()["refresh_token"]
    assert problem(client.post("/auth/refresh", json={"refresh_token": first})) == (409, "refresh_superseded")
    client.post("/auth/refresh", json={"refresh_token": third})
    assert problem(client.post("/auth/refresh", json={"refresh_token": first})) == (401, "refresh_reused")
    assert problem(client.get("/auth/me", headers=bearer(tokens["access_token"]))) == (401, "invalid_token")
    assert problem(client.post("/auth/refresh", json={"refresh_token": third})) == (401, "session_ended")


@pytest.mark.parametrize("token", ["", "x", "sealring_rt1_" + "A" * 88, "é" * 101])
def test_r9_what_is_no_refresh_token_of_ours_is_401(client: httpx2.Client, token: str) -> None:
    assert problem(client.post("/auth/refresh", json={"refresh_token": token})) == (401, "invalid_token")


def test_r10_kinds_of_token_are_not_taken_for_one_another(client: httpx2.Client) -> None:
    tokens = register(client)
    as_refresh = client.post("/auth/refresh", json={"refresh_token": tokens["access_token"]})
    as_access = client.get("/auth/me", headers=bearer(tokens["refresh_token"]))
    assert problem(as_refresh) == problem(as_access) == (401, "invalid_token")


def test_refresh_without_any_token_is_401_without_an_error_code(client: httpx2.Client) -> None:
    answer = client.post("/auth/refresh")
    assert problem(answer) == (401, "missing_credential")
    assert answer.json()["detail"] == "no token was sent", "of either kind"
    assert answer.headers["www-authenticate"] == 'Bearer realm="sealring"'


def test_r12_a_refresh_by_get_form_or_another_site_rotates_nothing(client: httpx2.Client) -> None:
    token = register(client)["refresh_token"]
    assert problem(client.get("/auth/refresh", params={"refresh_token": token})) == (405, "method_not_allowed")
    assert problem(client.post("/auth/refresh", data={"refresh_token": token})) == (415, "unsupported_media_type")
    text = {"content-type": "text/plain"}
    assert problem(client.post("/auth/refresh", content=b'{"refresh_token":"%s"}' % token.encode(), headers=text)) == (
        415,
        "unsupported_media_type",
    )
    crossing = client.post("/auth/refresh", json={"refresh_token": token}, headers=CROSS)
    assert problem(crossing) == (403, "csrf")
    body = client.post("/auth/refresh", json={"refresh_token": token}).json()
    again = client.post("/auth/refresh", json={"refresh_token": token}).json()
    assert body["refresh_token"] == again["refresh_token"], "the first use of the token was the first that counted"


@pytest.mark.parametrize("way", ["bearer", "body"])
def test_log_out_ends_the_session_everywhere(client: httpx2.Client, way: str) -> None:
    tokens = register(client)
    if way == "bearer":
        answer = client.post("/auth/logout", headers=bearer(tokens["access_token"]))
    else:
        answer = client.post("/auth/logout", json={"refresh_token": tokens["refresh_token"]})
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers["cache-control"] == "no-store"
    assert problem(client.get("/auth/me", headers=bearer(tokens["access_token"]))) == (401, "invalid_token")
    assert problem(client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})) == (
        401,
        "session_ended",
    )


def test_log_out_again_by_the_refresh_token_is_no_error(client: httpx2.Client) -> None:
    body = {"refresh_token": register(client)["refresh_token"]}
    assert [client.post("/auth/logout", json=body).status_code for _ in range(2)] == [204, 204]


def test_log_out_never_says_204_while_a_session_lives_on(client: httpx2.Client) -> None:
    tokens = register(client)
    assert problem(client.post("/auth/logout")) == (401, "missing_credential")
    assert problem(client.post("/auth/logout", headers=bearer("x.y.z"))) == (401, "invalid_token")
    assert problem(client.post("/auth/logout", json={"refresh_token": "x"})) == (401, "invalid_token")
    cookies, csrf, _ = sign_up_with_cookies(client)
    two = cookie_line(cookies) | {"X-CSRF-Token": csrf}
    assert problem(client.post("/auth/logout", headers=two | bearer(tokens["access_token"])))[0] == 400
    answer = client.post("/auth/logout", headers=two, json={"refresh_token": tokens["refresh_token"]})
    assert problem(answer)[0] == 400
    assert client.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 200
    assert client.get("/auth/me", headers=cookie_line(cookies)).status_code == 200


# in cookies


def test_cookie_delivery_shows_no_token_to_the_page(client: httpx2.Client) -> None:
    name = fresh_name()
    answer = client.post("/auth/register", json={"username": name, "password": PASSWORD, "delivery": "cookie"})
    body = answer.json()
    assert answer.status_code == 201
    assert body.keys() == {"expires_in", "refresh_expires_in", "csrf_token", "refresh_path", "scope", "user"}
    cookies = cookies_of(answer)
    assert cookies.keys() == {ACCESS, SESSION, REFRESH, DEVICE}  # plain http on loopback: without prefix and Secure
    for cookie in cookies.values():
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert not cookie["domain"]
        assert cookie.value not in answer.text
    assert [cookies[each]["path"] for each in (ACCESS, SESSION, REFRESH, DEVICE)] == ["/", "/", "/auth", "/"]
    assert int(cookies[ACCESS]["max-age"]) == body["expires_in"]
    for lasting in (SESSION, REFRESH):
        assert int(cookies[lasting]["max-age"]) == body["refresh_expires_in"]


def test_the_cookies_open_reads_and_with_proof_writes(client: httpx2.Client) -> None:
    cookies, csrf, _ = sign_up_with_cookies(client)
    sent = cookie_line(cookies)
    me = client.get("/auth/me", headers=sent)
    assert me.status_code == 200
    assert me.json()["csrf_token"] == csrf
    assert problem(client.post("/auth/refresh", headers=sent)) == (403, "csrf")
    assert problem(client.post("/auth/refresh", headers=sent | CROSS)) == (403, "csrf")
    assert client.post("/auth/refresh", headers=sent | SAME).status_code == 200
    assert client.post("/auth/refresh", headers=sent | {"X-CSRF-Token": csrf}).status_code == 200


def test_a_refresh_by_cookie_moves_both_tokens_and_keeps_the_session_cookie(client: httpx2.Client) -> None:
    cookies, csrf, _ = sign_up_with_cookies(client)
    answer = client.post("/auth/refresh", headers=cookie_line(cookies) | SAME)
    assert answer.json().keys() == {"expires_in", "refresh_expires_in", "csrf_token", "refresh_path", "scope"}
    assert answer.json()["csrf_token"] == csrf
    moved = values(answer)
    assert moved.keys() == {ACCESS, SESSION, REFRESH}
    assert moved[SESSION] == cookies[SESSION]  # so that tabs which refresh at once cannot part it from its token
    assert moved[ACCESS] != cookies[ACCESS]
    assert moved[REFRESH] != cookies[REFRESH]


def test_log_out_by_cookie_clears_them_all_but_the_device(client: httpx2.Client) -> None:
    cookies, _, _ = sign_up_with_cookies(client)
    answer = client.post("/auth/logout", headers=cookie_line(cookies) | SAME)
    assert answer.status_code == 204
    cleared = cookies_of(answer)
    assert {name: (morsel.value, morsel["max-age"]) for name, morsel in cleared.items()} == {
        ACCESS: ("", "0"),
        SESSION: ("", "0"),
        REFRESH: ("", "0"),
    }
    assert answer.headers["clear-site-data"] == '"cache"'
    assert problem(client.get("/auth/me", headers=cookie_line(cookies))) == (401, "invalid_token")


def test_log_out_works_by_the_refresh_cookie_alone(client: httpx2.Client) -> None:
    cookies, _, _ = sign_up_with_cookies(client)
    alone = cookie_line({REFRESH: cookies[REFRESH]})
    assert problem(client.post("/auth/logout", headers=alone)) == (403, "csrf")
    assert client.post("/auth/logout", headers=alone | SAME).status_code == 204
    assert problem(client.get("/auth/me", headers=cookie_line(cookies))) == (401, "invalid_token")


def test_a_refused_refresh_clears_no_cookie(client: httpx2.Client) -> None:
    cookies, _, _ = sign_up_with_cookies(client)
    client.post("/auth/logout", headers=cookie_line(cookies) | SAME)
    answer = client.post("/auth/refresh", headers=cookie_line(cookies) | SAME)
    assert problem(answer) == (401, "session_ended")
    assert "set-cookie" not in answer.headers
    garbage = client.post("/auth/refresh", headers=cookie_line({REFRESH: "x"}) | SAME)
    assert problem(garbage) == (401, "refresh_unbound")
    assert "set-cookie" not in garbage.headers


def test_a_superseded_refresh_cookie_clears_nothing(client: httpx2.Client) -> None:
    cookies, _, _ = sign_up_with_cookies(client)
    newer = values(client.post("/auth/refresh", headers=cookie_line(cookies) | SAME))
    client.post("/auth/refresh", headers=cookie_line(newer) | SAME)
    late = client.post("/auth/refresh", headers=cookie_line(cookies) | SAME)
    assert problem(late) == (409, "refresh_superseded")
    assert "set-cookie" not in late.headers


def test_c1_a_log_in_ends_the_session_that_the_browser_held(client: httpx2.Client) -> None:
    planted, _, _ = sign_up_with_cookies(client)
    register(client, name := fresh_name())
    answer = client.post(
        "/auth/login",
        json={"username": name, "password": PASSWORD, "delivery": "cookie"},
        headers=cookie_line(planted) | SAME,
    )
    client.cookies.clear()
    assert answer.status_code == 200
    fresh = values(answer)
    assert not set(fresh.values()) & set(planted.values())
    assert client.get("/auth/me", headers=cookie_line(fresh)).json()["username"] == name
    assert problem(client.get("/auth/me", headers=cookie_line(planted))) == (401, "invalid_token")


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login", "/auth/refresh", "/auth/logout", "/auth/token"])
def test_c2_another_sites_page_gets_403_before_anything_is_read(client: httpx2.Client, path: str) -> None:
    for told in (CROSS, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        if path == "/auth/token":
            answer = client.post(path, data={"grant_type": "password", "username": "x", "password": "y"}, headers=told)
        elif path in {"/auth/refresh", "/auth/logout"}:
            answer = client.post(path, json={"refresh_token": "x"}, headers=told)
        else:
            answer = client.post(path, json={"username": fresh_name(), "password": PASSWORD}, headers=told)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
        assert "set-cookie" not in answer.headers
