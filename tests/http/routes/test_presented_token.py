"""Revocation and introspection over HTTP (RFC 7009, RFC 7662)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from sealring import jwt
from sealring.errors import Revoked
from tests.clocks import FrozenClock
from tests.http.routes.oauth_scene import Scene, basic, oauth_scene
from tests.serving import bearer, cheap_sealring

pytestmark = pytest.mark.anyio


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with oauth_scene() as scene:
        yield scene


# revocation


async def test_a_revoked_refresh_token_takes_its_access_tokens_along(scene: Scene) -> None:
    tokens = await scene.user()
    answer = await scene.revoke(tokens["refresh_token"])
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert answer.headers["cache-control"] == "no-store"
    with pytest.raises(Revoked):
        scene.auth.verify(tokens["access_token"])
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await scene.http.post("/auth/token", data=form)).json()["error"] == "invalid_grant"


async def test_a_revoked_access_token_ends_its_session(scene: Scene) -> None:
    tokens = await scene.user()
    hint = {"token_type_hint": "refresh_token"}  # a wrong hint changes nothing (§2.1)
    answer = await scene.http.post("/auth/revoke", data={"token": tokens["access_token"], **hint})
    assert answer.status_code == 200
    with pytest.raises(Revoked):
        scene.auth.verify(tokens["access_token"])
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await scene.http.post("/auth/token", data=form)).json()["error"] == "invalid_grant"


async def test_one_token_of_a_client_is_revoked_alone_by_its_holder(scene: Scene) -> None:
    one, other = await scene.access_token(), await scene.access_token()
    assert (await scene.revoke(one)).status_code == 200
    with pytest.raises(Revoked):
        scene.auth.verify(one)
    assert scene.auth.verify(other).is_client
    assert (await scene.revoke(other, auth=basic(scene.report))).status_code == 200
    with pytest.raises(Revoked):
        scene.auth.verify(other)


async def test_another_client_that_authenticates_cannot_revoke_it(scene: Scene) -> None:
    token = await scene.access_token()
    refused = await scene.revoke(token, auth=basic(scene.gateway))
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
    wrong = await scene.revoke(token, auth=(scene.report.client.id, "wrong"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert scene.auth.verify(token).is_client


@pytest.mark.parametrize("token", ["x", "a.b.c", "\ud7ff", "A" * 20_000, "r1." + "A" * 80])
async def test_a_token_that_never_was_is_revoked_already(scene: Scene, token: str) -> None:
    assert (await scene.revoke(token)).status_code == 200


async def test_a_revocation_again_writes_nothing_more(scene: Scene) -> None:
    token, tokens = await scene.access_token(), await scene.user()
    for text in (token, tokens["refresh_token"]):
        assert (await scene.revoke(text)).status_code == 200
    head = (await scene.auth.store.load_feed(0)).head
    for text in (token, tokens["refresh_token"], tokens["access_token"]):
        assert (await scene.revoke(text)).status_code == 200
    assert (await scene.auth.store.load_feed(0)).head == head


async def test_d2_a_client_cannot_fill_the_feed_with_its_tokens(scene: Scene) -> None:
    statuses = [(await scene.revoke(await scene.access_token())).status_code for _ in range(62)]
    assert statuses[:60] == [200] * 60
    assert statuses[60:] == [429, 429]


@pytest.mark.parametrize("path", ["revoke", "introspect"])
async def test_a_form_without_a_token_or_of_another_form_is_refused(scene: Scene, path: str) -> None:
    empty = await scene.http.post(f"/auth/{path}", data={"token": ""}, auth=basic(scene.gateway))
    assert (empty.status_code, empty.json()["error"]) == (400, "invalid_request")
    as_json = await scene.http.post(f"/auth/{path}", json={"token": "x"}, auth=basic(scene.gateway))
    assert as_json.status_code == 415
    assert (await scene.http.get(f"/auth/{path}")).status_code == 405, "no token in a URL"


# introspection


async def test_an_active_token_says_what_it_says(scene: Scene) -> None:
    for token in ((await scene.user())["access_token"], await scene.access_token()):
        answer = await scene.introspect(token)
        assert answer.headers["cache-control"] == "no-store"
        claims = jwt.peek(token).claims
        assert answer.json() == {**claims, "active": True, "token_type": "Bearer"}
        assert answer.json().keys() >= {"scope", "client_id", "exp", "iat", "sub", "aud", "iss", "jti"}


SIGNED = {"Accept": "application/token-introspection+jwt"}


async def test_an_answer_can_be_asked_for_as_a_signed_jwt(scene: Scene) -> None:
    # RFC 9701 §4, §5
    token = await scene.access_token()
    for text, members in ((token, {**jwt.peek(token).claims, "active": True, "token_type": "Bearer"}), ("x", None)):
        answer = await scene.introspect(text, headers=SIGNED)
        assert answer.headers["content-type"] == "application/token-introspection+jwt"
        assert answer.headers["cache-control"] == "no-store"
        keys = jwt.KeySet.from_jwks((await scene.http.get("/auth/.well-known/jwks.json")).json())
        said = jwt.verify(
            answer.text, keys, typ="token-introspection+jwt", require=(), audience=scene.gateway.client.id
        )
        assert said.claims == {
            "iss": scene.auth.settings.issuer,
            "aud": scene.gateway.client.id,
            "iat": scene.auth.issuer.clock() // 1000,
            "token_introspection": members or {"active": False},
        }


async def test_a_signed_answer_is_no_token(scene: Scene) -> None:
    # RFC 9701 §8.1: of the same key, about the same claims
    answer = await scene.introspect(await scene.access_token(), headers=SIGNED)
    assert (await scene.http.get("/auth/live", headers=bearer(answer.text))).status_code == 401
    assert (await scene.introspect(answer.text)).json() == {"active": False}


async def test_a_signed_answer_about_a_long_token_is_whole(scene: Scene) -> None:
    issued = await scene.auth.start_session("42", claims={"text": "x" * 5000})
    answer = await scene.introspect(issued.access_token.text, headers=SIGNED)
    assert jwt.peek(answer.text, max_chars=65_536).claims["token_introspection"]["text"] == "x" * 5000


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/*", f"{SIGNED['Accept']};q=0", ""])
async def test_who_does_not_ask_for_it_by_name_gets_json(scene: Scene, accept: str) -> None:
    answer = await scene.introspect("x", headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/json"


async def test_a_secret_signs_no_answer() -> None:
    async with oauth_scene(algorithm="HS256") as scene:
        answer = await scene.introspect(await scene.access_token(), headers=SIGNED)
        assert answer.headers["content-type"] == "application/json"
        metadata = (await scene.http.get("/.well-known/oauth-authorization-server")).json()
        assert "introspection_signing_alg_values_supported" not in metadata


async def test_an_application_cannot_claim_to_be_active(scene: Scene) -> None:
    issued = await scene.auth.start_session("42", claims={"active": False, "token_type": "x", "tenant": "t1"})
    answer = (await scene.introspect(issued.access_token.text)).json()
    assert (answer["active"], answer["token_type"], answer["tenant"]) == (True, "Bearer", "t1")


async def test_every_token_that_a_guard_refuses_is_inactive_and_nothing_else_is_said(scene: Scene) -> None:
    tokens = await scene.user()
    revoked = await scene.access_token()
    await scene.revoke(revoked)
    key = scene.auth.issuer.keys.signing()
    claims = dict(jwt.peek(tokens["access_token"]).claims)
    of_another_audience = jwt.sign({**claims, "aud": "https://b.example"}, key, typ="at+jwt")
    of_another_type = jwt.sign(claims, key, typ="JWT")
    expired = jwt.sign({**claims, "iat": 1, "exp": 2}, key, typ="at+jwt", issued_at=False)
    for text in (
        revoked, of_another_audience, of_another_type, expired, tokens["refresh_token"], "x", "\ud7ff", "a.b.c",
        tokens["access_token"][:-4] + "AAAA",
    ):  # fmt: skip
        answer = await scene.introspect(text)
        assert (answer.status_code, answer.content) == (200, b'{"active":false}'), text[:20]


async def test_nobody_introspects_who_has_not_the_right(scene: Scene) -> None:
    token = await scene.access_token()
    refused = await scene.introspect(token, scene.report)
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
    for request in ({}, {"headers": bearer(token)}, {"auth": (scene.gateway.client.id, "wrong")}):
        answer = await scene.http.post("/auth/introspect", data={"token": token}, **request)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert "active" not in answer.json()


async def test_scanning_is_throttled_and_active_tokens_are_always_answered(scene: Scene) -> None:
    token = await scene.access_token()
    statuses = [(await scene.introspect("x.y.z")).status_code for _ in range(605)]
    assert set(statuses[:600]) == {200}
    assert set(statuses[600:]) == {429}
    assert (await scene.introspect(token)).json()["active"] is True
    assert int((await scene.introspect("x")).headers["retry-after"]) >= 1


async def test_a_node_that_is_out_of_date_says_neither_active_nor_inactive() -> None:
    clock = FrozenClock()
    auth = cheap_sealring(clock=clock)
    app = FastAPI()
    app.include_router(auth.router())
    async with auth.lifespan(), httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://x") as http:
        gateway = await auth.clients.register("gateway", introspects=True)
        issued = await auth.start_session("42")
        await auth.follower.stop()
        clock.pass_seconds(60)
        for path in ("introspect", "revoke"):
            answer = await http.post(f"/auth/{path}", data={"token": issued.access_token.text}, auth=basic(gateway))
            assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable"), path
            assert "retry-after" in answer.headers, "the token may be good: ask again (RFC 7009 §2.2.1)"
