"""J, R, C, U and D as they show only over HTTP, at the real routes of a real server, by id."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import httpx2
import pytest

from sealring import jwt
from sealring.jwt.base64url import decode, encode
from sealring.rate_limits.rate import RateLimit
from tests.serving import (
    PASSWORD,
    ServedThread,
    bearer,
    cheap_sealring,
    cookie_line,
    fresh_name,
    problem,
    register,
    serve_in_thread,
)

T = TypeVar("T")

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture(scope="module")
def site() -> Iterator[ServedThread]:
    with serve_in_thread(cheap_sealring()) as served:
        yield served


@pytest.fixture
def client(site: ServedThread) -> Iterator[httpx2.Client]:
    with site.client() as client:
        yield client


def at_once(site: ServedThread, number: int, ask: Callable[[httpx2.Client], T]) -> list[T]:
    """The answers to so many requests that start together, each on a connection of its own."""
    barrier = threading.Barrier(number)

    def one(_: int) -> T:
        with site.client() as client:
            barrier.wait(30)
            return ask(client)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


# J


def with_header(token: str, **members: object) -> str:
    """The same token under another header, its signature kept."""
    _, payload, signature = token.split(".")
    header = jwt.peek(token).header | members
    return f"{encode(json.dumps(header).encode())}.{payload}.{signature}"


def hostile(token: str) -> dict[str, str]:
    """One of each kind of attack on a good token."""
    header, payload, signature = token.split(".")
    other = jwt.Key.generate("ES256")
    claims = jwt.peek(token).claims
    kid = str(jwt.peek(token).header["kid"])

    return {
        "J1 none": with_header(token, alg="none").rpartition(".")[0] + ".",
        "J1 empty signature": f"{header}.{payload}.",
        "J2 HS256": with_header(token, alg="HS256"),
        "J3 embedded jwk": with_header(token, jwk=other.public().to_jwk()),
        "J3 jku": with_header(token, jku="http://127.0.0.1:9/keys"),
        "J4 kid missing": with_header(token, kid=None),
        "J4 kid path": with_header(token, kid="../../dev/null"),
        "J5 another key": jwt.sign(claims, other, typ="at+jwt", header={"kid": kid}),
        "J6 crit": with_header(token, crit=["b64"], b64=False),
        "J11 typ": with_header(token, typ="JWT"),
        "J13 padding": token + "==",
        "J13 four segments": token + ".x",
        "J13 JSON": "eyJ9",
        "J14 short": f"{header}.{payload}.{signature[:-4]}",
        "J14 zero": f"{header}.{payload}.{encode(bytes(64))}",
        "J15 8 KiB": token + "A" * 8192,
    }


def test_j_every_hostile_token_gets_one_and_the_same_answer(client: httpx2.Client) -> None:
    token = register(client)["access_token"]
    wanted: httpx2.Response | None = None
    for name, bad in hostile(token).items():
        answer = client.get("/orders", headers=bearer(bad))
        assert problem(answer) == (401, "invalid_token"), name
        wanted = wanted or answer
        assert answer.content == wanted.content, name
        assert {**answer.headers, "date": ""} == {**wanted.headers, "date": ""}, name
    assert client.get("/orders", headers=bearer(token)).status_code == 200


def test_j14_a_revoked_token_is_revoked_under_its_twin_too(client: httpx2.Client) -> None:
    token = register(client)["access_token"]
    signing_input, _, signature = token.rpartition(".")
    raw = decode(signature)
    r, s = raw[:32], int.from_bytes(raw[32:], "big")
    twin = f"{signing_input}.{encode(r + (P256_ORDER - s).to_bytes(32, 'big'))}"
    assert twin != token
    client.get("/orders", headers=bearer(twin))  # whether it is taken or not while the session lives
    client.post("/auth/logout", headers=bearer(token))
    for each in (token, twin):
        assert problem(client.get("/orders", headers=bearer(each))) == (401, "invalid_token")


def test_j17_a_deleted_name_comes_back_as_somebody_else(site: ServedThread, client: httpx2.Client) -> None:
    old = register(client, name := fresh_name())
    site.run(site.auth.issuer.accounts.delete(old["user"]["id"]))
    new = register(client, name)
    assert new["user"]["id"] != old["user"]["id"]
    assert problem(client.get("/auth/me", headers=bearer(old["access_token"]))) == (401, "invalid_token")
    assert problem(client.post("/auth/refresh", json={"refresh_token": old["refresh_token"]}))[0] == 401
    assert client.get("/auth/me", headers=bearer(new["access_token"])).json()["id"] == new["user"]["id"]


def test_j18_a_role_that_was_taken_is_gone_at_once(site: ServedThread, client: httpx2.Client) -> None:
    tokens = register(client, name := fresh_name())
    accounts = site.auth.issuer.accounts
    subject = tokens["user"]["id"]
    site.run(accounts.set_scopes(subject, ("admin",)))
    body = {"username": name, "password": PASSWORD}
    admin = client.post("/auth/login", json=body).json()
    assert client.get("/auth/me", headers=bearer(admin["access_token"])).json()["scopes"] == ["admin"]
    site.run(accounts.set_scopes(subject, ()))
    assert problem(client.get("/auth/me", headers=bearer(admin["access_token"]))) == (401, "invalid_token")
    renewed = client.post("/auth/refresh", json={"refresh_token": admin["refresh_token"]}).json()
    assert client.get("/auth/me", headers=bearer(renewed["access_token"])).json()["scopes"] == []


# R


def test_r1_fifty_at_once_get_one_and_the_same_successor(site: ServedThread, client: httpx2.Client) -> None:
    token = register(client)["refresh_token"]
    answers = at_once(site, 50, lambda http: http.post("/auth/refresh", json={"refresh_token": token}))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


def test_r4_an_answer_that_never_arrived_is_asked_for_again(site: ServedThread, client: httpx2.Client) -> None:
    token = register(client)["refresh_token"]
    body = b'{"refresh_token":"%s"}' % token.encode()
    port = int(site.url.rsplit(":", 1)[1])
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(
                b"POST /auth/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
    for seconds in (0, 30, 3600):  # however late the client comes back
        site.pass_seconds(seconds)
        assert client.post("/auth/refresh", json={"refresh_token": token}).status_code == 200


def test_r5_a_refresh_that_races_a_log_out_leaves_nothing_alive(site: ServedThread, client: httpx2.Client) -> None:
    for _ in range(5):
        tokens = register(client)
        body = {"refresh_token": tokens["refresh_token"]}
        paths = iter(["/auth/refresh", "/auth/logout"] * 4)
        answers = at_once(site, 8, lambda http: http.post(next(paths), json=body))  # noqa: B023 - awaited here
        minted = [answer.json() for answer in answers if answer.status_code == 200]
        for each in [tokens, *minted]:
            assert client.get("/orders", headers=bearer(each["access_token"])).status_code == 401
            assert client.post("/auth/refresh", json={"refresh_token": each["refresh_token"]}).status_code == 401


# U


def test_u9_of_a_hundred_parallel_guesses_ten_are_answered(site: ServedThread, client: httpx2.Client) -> None:
    register(client, name := fresh_name())
    body = {"username": name, "password": "wrong" * 4}
    counted = Counter(
        answer.status_code for answer in at_once(site, 100, lambda http: http.post("/auth/login", json=body))
    )
    assert counted.keys() <= {401, 429, 503}
    assert counted[401] <= 10
    assert counted[429] >= 60


def test_u1_i11_known_and_unknown_names_are_throttled_alike(site: ServedThread, client: httpx2.Client) -> None:
    register(client, known := fresh_name())
    unknown = known + "x"
    answers = []
    for name in (known, unknown):
        body = {"username": name, "password": "wrong" * 4}
        answers.append([client.post("/auth/login", json=body) for _ in range(12)])
    assert [each.status_code for each in answers[0]] == [401] * 10 + [429] * 2
    for mine, theirs in zip(*answers, strict=True):
        assert mine.status_code == theirs.status_code
        assert mine.content == theirs.content
        assert {**mine.headers, "date": ""} == {**theirs.headers, "date": ""}
    assert int(answers[0][-1].headers["retry-after"]) >= 1
    site.pass_seconds(300)
    assert client.post("/auth/login", json={"username": known, "password": PASSWORD}).status_code == 200


def test_u11_a_known_browser_gets_in_while_a_stranger_guesses(client: httpx2.Client) -> None:
    name = fresh_name()
    answer = client.post("/auth/register", json={"username": name, "password": PASSWORD, "delivery": "cookie"})
    device = {"sealring_device": answer.cookies["sealring_device"]}
    client.cookies.clear()
    body = {"username": name, "password": PASSWORD}
    for _ in range(10):
        client.post("/auth/login", json=body | {"password": "wrong" * 4})
    assert problem(client.post("/auth/login", json=body)) == (429, "throttled")
    forged = {"sealring_device": device["sealring_device"][:-8] + "AAAAAAAA"}
    assert client.post("/auth/login", json=body, headers=cookie_line(forged)).status_code == 429
    assert client.post("/auth/login", json=body, headers=cookie_line(device)).status_code == 200


def test_u10_an_address_in_a_header_counts_only_from_a_trusted_proxy() -> None:
    for trusted, statuses in (("", [401] * 4 + [429]), ("127.0.0.0/8", [401] * 5)):
        auth = cheap_sealring(throttle_address="3/1m", trusted_proxies=trusted, account_rate=RateLimit(100, 60))
        with serve_in_thread(auth) as site, site.client() as client:
            answers = [
                client.post(
                    "/auth/login",
                    json={"username": fresh_name(), "password": PASSWORD},
                    headers={"X-Forwarded-For": f"203.0.113.{number}"},
                )
                for number in range(5)
            ]
            # failures are charged when they are known, so the one that finds the bucket full is still answered
            assert [answer.status_code for answer in answers] == statuses


# D


def test_d1_a_flood_of_log_ins_hurts_no_bearer(site: ServedThread, client: httpx2.Client) -> None:
    token = register(client)["access_token"]
    names = [fresh_name() for _ in range(60)]
    barrier = threading.Barrier(60)

    def flood(name: str) -> int:
        with site.client() as http:
            barrier.wait(30)
            return http.post("/auth/login", json={"username": name, "password": PASSWORD}).status_code

    with ThreadPoolExecutor(61) as pool:
        flooding = [pool.submit(flood, name) for name in names]
        answers = [client.get("/orders", headers=bearer(token)).status_code for _ in range(50)]
        assert {each.result() for each in flooding} <= {401, 503}
    assert set(answers) == {200}


def test_d3_idle_and_slow_connections_keep_nobody_out(site: ServedThread, client: httpx2.Client) -> None:
    token = register(client)["access_token"]
    port = int(site.url.rsplit(":", 1)[1])
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    try:
        for number, connection in enumerate(idle):
            if number % 2:
                connection.sendall(b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
            if number % 4 == 3:
                connection.sendall(b"Content-Length: 60000\r\n\r\n{")
        assert client.get("/orders", headers=bearer(token)).status_code == 200
    finally:
        for connection in idle:
            connection.close()


def test_d3_a_body_without_end_is_cut_off(site: ServedThread) -> None:
    port = int(site.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(
            b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(17):  # 68 KiB: no byte more than it takes, or the reset overtakes the answer
            connection.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
