"""Registered clients over HTTP: `client_credentials` (RFC 6749 §4.4), and scopes that are asked for."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from sealring import Principal, jwt
from sealring.accounts.oauth_client import OAuthClient
from sealring.authentication.client_info import ClientInfo
from sealring.errors import Revoked
from sealring.frameworks.asgi import SessionMiddleware
from sealring.issuer.clients import RegisteredClient
from sealring.store.memory import MemoryStore
from tests.clocks import FrozenClock
from tests.http.routes.oauth_scene import Scene, basic, oauth_scene
from tests.serving import PASSWORD, bearer, cheap_sealring, problem

pytestmark = pytest.mark.anyio


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with oauth_scene() as scene:
        yield scene


# client_credentials


async def test_a_client_gets_a_token_of_its_own_and_no_refresh_token(scene: Scene) -> None:
    answer = await scene.token()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}, "RFC 6749 §4.4.3"
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 1800, "orders:read orders:write")
    principal = scene.auth.verify(body["access_token"])
    client_id = scene.report.client.id
    assert (principal.subject, principal.client_id, principal.is_client) == (client_id, client_id, True)
    assert principal.scopes == {"orders:read", "orders:write"}
    assert jwt.peek(body["access_token"]).header["typ"] == "at+jwt"


async def test_the_credentials_come_by_basic_or_in_the_form(scene: Scene) -> None:
    client_id, secret = basic(scene.report)
    form = {"grant_type": "client_credentials"}
    by_basic = await scene.http.post("/auth/token", data=form, auth=(client_id, secret))
    assert by_basic.status_code == 200
    encoded = base64.b64encode(
        f"{quote(client_id, safe='')}:{quote(secret, safe='').replace('_', '%5F')}".encode()
    ).decode()
    by_encoded = await scene.http.post("/auth/token", data=form, headers={"Authorization": f"bAsIc  {encoded}"})
    assert by_encoded.status_code == 200, "form-encoded (RFC 6749 §2.3.1)"
    with_id = await scene.http.post("/auth/token", data=form | {"client_id": client_id}, auth=(client_id, secret))
    assert with_id.status_code == 200


@pytest.mark.parametrize(
    ("form", "field", "status", "error"),
    [
        ({}, None, 401, "invalid_client"),
        ({"client_id": "ID"}, None, 401, "invalid_client"),
        ({"client_id": "ID", "client_secret": ""}, None, 401, "invalid_client"),
        ({"client_id": "ID", "client_secret": "wrong"}, None, 401, "invalid_client"),
        ({"client_id": "ID", "client_secret": "\ud7ff\0"}, None, 401, "invalid_client"),
        ({"client_id": "client_AAAAAAAAAAAAAAAA", "client_secret": "SECRET"}, None, 401, "invalid_client"),
        ({"client_id": "a\0b", "client_secret": "SECRET"}, None, 401, "invalid_client"),
        ({"client_id": "x" * 5_000, "client_secret": "SECRET"}, None, 401, "invalid_client"),
        ({}, "Basic", 401, "invalid_client"),
        ({}, "Basic !", 401, "invalid_client"),
        ({}, "Basic bm9jb2xvbg==", 401, "invalid_client"),
        ({}, "Basic /////w==", 401, "invalid_client"),
        ({}, "Bearer SECRET", 401, "invalid_client"),
        ({"client_secret": "SECRET"}, "GOOD", 400, "invalid_request"),
        ({"client_id": "client_AAAAAAAAAAAAAAAA"}, "GOOD", 400, "invalid_request"),
    ],
)
async def test_other_credentials_are_refused_alike(
    scene: Scene, form: dict[str, str], field: str | None, status: int, error: str
) -> None:
    client_id, secret = basic(scene.report)
    words = {"ID": client_id, "SECRET": secret}
    sent = {name: words.get(value, value) for name, value in form.items()} | {"grant_type": "client_credentials"}
    good = f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"
    headers = {} if field is None else {"Authorization": good if field == "GOOD" else field}
    answer = await scene.http.post("/auth/token", data=sent, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers.get("www-authenticate") == ('Basic realm="sealring"' if status == 401 else None)
    assert secret not in answer.text


async def test_two_authorization_fields_are_refused(scene: Scene) -> None:
    client_id, secret = basic(scene.report)
    good = f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"
    answer = await scene.http.post(
        "/auth/token",
        data={"grant_type": "client_credentials"},
        headers=[("Authorization", good), ("Authorization", good)],
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_no_secret_is_read_from_the_url(scene: Scene) -> None:
    client_id, secret = basic(scene.report)
    query = {"client_id": client_id, "client_secret": secret, "grant_type": "client_credentials"}
    answer = await scene.http.post("/auth/token", params=query, data={"grant_type": "client_credentials"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    for path in ("revoke", "introspect"):
        answer = await scene.http.post(f"/auth/{path}", params=query | {"token": "x"}, data={"x": "y"})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (None, "orders:read orders:write"),
        ("", "orders:read orders:write"),
        ("orders:read", "orders:read"),
        ("orders:write orders:read orders:write", "orders:write orders:read"),
        ("orders:read admin", None),
        ("orders", None),
        ("orders:read  orders:write", None),
        ('"', None),
    ],
)
async def test_a_client_may_ask_for_less_and_never_for_more(
    scene: Scene, asked: str | None, granted: str | None
) -> None:
    answer = await scene.token(**({} if asked is None else {"scope": asked}))
    if granted is None:
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    else:
        assert answer.json()["scope"] == granted
        assert scene.auth.verify(answer.json()["access_token"]).scopes == set(granted.split())


async def test_a_resource_is_the_audience_or_refused(scene: Scene) -> None:
    assert (await scene.token(resource="http://127.0.0.1:8000")).status_code == 200
    for other in ("https://other.example", "http://127.0.0.1:8000/"):
        answer = await scene.token(resource=other)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


async def test_what_changes_a_client_kills_its_tokens_at_once(scene: Scene) -> None:
    client_id = scene.report.client.id
    changes: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: scene.auth.clients.set_scopes(client_id, ["orders:read"]),
        lambda: scene.auth.revoke_subject(client_id),
        lambda: scene.auth.clients.replace_secret(client_id),
        lambda: scene.auth.clients.remove(client_id),
    )
    for change in changes:
        token = await scene.access_token()
        made = await change()
        with pytest.raises(Revoked):
            scene.auth.verify(token)
        if isinstance(made, str):
            assert (await scene.token()).json()["error"] == "invalid_client", "the old secret"
            scene.report = RegisteredClient(scene.report.client, made)
    assert (await scene.token()).json()["error"] == "invalid_client", "the client is gone"


class Racing(MemoryStore):
    """A store in which something else commits right after a client was read."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def find_client(self, id: str) -> OAuthClient | None:
        found = await super().find_client(id)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return found


@pytest.mark.parametrize("change", ["remove", "replace_secret", "set_scopes"])
async def test_a_token_that_is_signed_while_its_client_changes_is_dead(change: str) -> None:
    """The epoch in it is that of the row whose secret was compared (U13, I7)."""
    clock = FrozenClock()
    store = Racing(clock.now_ms)
    auth = cheap_sealring(store, clock)
    async with auth.lifespan():
        made = await auth.clients.register("report", scopes=["a"])
        commands: dict[str, Callable[[], Awaitable[object]]] = {
            "remove": lambda: auth.clients.remove(made.client.id),
            "replace_secret": lambda: auth.clients.replace_secret(made.client.id),
            "set_scopes": lambda: auth.clients.set_scopes(made.client.id, []),
        }
        store.meanwhile = commands[change]
        issued = await auth.issuer.clients.issue(*basic(made), scopes=None, client=ClientInfo("192.0.2.7"))
        with pytest.raises(Revoked):
            auth.verify(issued.access_token.text)


async def test_a_client_is_no_user(scene: Scene) -> None:
    token = await scene.access_token()
    for method, path, body in (
        ("GET", "/auth/me", None),
        ("GET", "/auth/sessions", None),
        ("DELETE", "/auth/sessions", None),
        ("DELETE", "/auth/sessions/x", None),
        ("POST", "/auth/password", {"current": PASSWORD, "new": PASSWORD + "!"}),
        ("POST", "/auth/logout", None),
    ):
        answer = await scene.http.request(method, path, headers=bearer(token), json=body)
        assert problem(answer) == (403, "user_required"), (method, path)
    assert (await scene.http.get("/auth/live", headers=bearer(token))).status_code == 204
    assert scene.auth.verify(token).is_client, "and it is still good"


async def test_a_user_whose_id_is_that_of_the_application_is_a_user(scene: Scene) -> None:
    """Subjects of an application's own may be any text, the name of its own pages included."""
    for client_id in ("shop", ""):
        subject = client_id or scene.auth.settings.audience_or_issuer
        issued = await scene.auth.start_session(subject, client_id=client_id)
        token = issued.access_token.text
        assert not scene.auth.verify(token).is_client
        assert (await scene.http.get("/auth/me", headers=bearer(token))).status_code == 200


async def test_a_guarded_route_serves_a_client_by_its_scopes(scene: Scene) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - the interface
        user: Principal = scope["user"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(user.is_client).encode()})

    rules = {"/orders": ["orders:read"]}
    guarded = SessionMiddleware(app, authenticator=scene.auth.authenticator, protect=rules)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(guarded), base_url="http://x") as visitor:
        read = await visitor.get("/orders", headers=bearer(await scene.access_token(scope="orders:read")))
        assert (read.status_code, read.text) == (200, "True")
        write = await visitor.get("/orders", headers=bearer(await scene.access_token(scope="orders:write")))
        assert write.status_code == 403


async def test_issuing_writes_nothing(scene: Scene) -> None:
    await scene.access_token()
    before = (await scene.auth.store.load_feed(0)).head, await scene.auth.store.read_events()
    for _ in range(5):
        await scene.access_token()
    assert ((await scene.auth.store.load_feed(0)).head, await scene.auth.store.read_events()) == before


async def test_bad_credentials_are_counted_by_address_and_good_ones_never_refused() -> None:
    async with oauth_scene(throttle_address="5/1m") as scene:
        wrong = RegisteredClient(scene.report.client, "wrong")
        statuses = [(await scene.token(wrong)).status_code for _ in range(8)]
        assert statuses == [401] * 5 + [429] * 3
        assert (await scene.token()).status_code == 200
        lines = [event for event in await scene.auth.store.read_events() if event.kind == "client_refused"]
        assert [(line.cause, line.subject) for line in lines] == [("wrong secret", scene.report.client.id)] * 5


async def test_a_narrower_scope_at_a_refresh_is_of_the_access_token_alone(scene: Scene) -> None:
    issued = await scene.auth.start_session("42", scopes=["a", "b"])

    async def refresh(text: str, **more: str) -> httpx2.Response:
        return await scene.http.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": text, **more})

    narrow = (await refresh(issued.refresh_token, scope="b")).json()
    assert narrow["scope"] == "b"
    assert scene.auth.verify(narrow["access_token"]).scopes == {"b"}
    refused = await refresh(narrow["refresh_token"], scope="a c")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    whole = (await refresh(narrow["refresh_token"])).json()
    assert whole["scope"] == "a b", "the refresh token keeps what it had (RFC 6749 §6), and a refusal moved nothing"


async def test_a_registered_client_that_shows_a_secret_at_another_grant_shows_the_right_one(scene: Scene) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": (await scene.user())["refresh_token"]}
    wrong = await scene.http.post("/auth/token", data=form, auth=(scene.report.client.id, "wrong"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert (await scene.http.post("/auth/token", data=form, auth=basic(scene.report))).status_code == 200
    public = await scene.http.post("/auth/token", data=form, auth=("my-app", "not-a-secret"))
    assert public.status_code == 200, "a public client's name is its own affair"
