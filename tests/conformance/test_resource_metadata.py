"""RFC 9728: challenges of guarded routes name the metadata of the API, in every framework, of issuer and verifier."""

from __future__ import annotations

from contextlib import nullcontext
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

import httpx2
import pytest
from django.test import Client, override_settings
from django.urls import include, path
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar
from quart import Quart
from starlette.applications import Starlette

from sealring import ConfigurationError, Sealring, Verifier, load_settings
from sealring.frameworks.litestar import SealringPlugin
from sealring.jwt.dpop import PROOF_ALGORITHMS
from sealring.testing import verifier_of
from tests.conformance.guarded import GUARDED
from tests.conformance.hosts import HOSTS, WSGI, transport_of
from tests.conformance.test_guarded_routes import ROUTES
from tests.django_project.settings import use
from tests.serving import SECRET, bearer, cheap_sealring

pytestmark = pytest.mark.anyio

RESOURCE = "https://api.example.com/v1"
BASE = "http://127.0.0.1:8000"
METADATA = "https://api.example.com/.well-known/oauth-protected-resource/v1"
POINTER = f'resource_metadata="{METADATA}"'
DOCUMENT = {"resource": RESOURCE, "authorization_servers": [BASE], "bearer_methods_supported": ["header"]}
OF_A_VERIFIER = DOCUMENT | {"dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS)}
"""It knows its own URL, so it takes tokens that are bound to a key; an issuer where the setting says so."""
PATH = "/.well-known/oauth-protected-resource/v1"


def visitor(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=transport_of(app), base_url=BASE)


async def check_challenges(client: httpx2.AsyncClient, path: str, without_scope: str) -> None:
    for headers, status in (({}, 401), (bearer("x.y.z"), 401), (bearer(without_scope), 403)):
        answer = await client.get(path, headers=headers)
        challenge = answer.headers.get("www-authenticate", "")
        assert (answer.status_code, challenge.count(POINTER)) == (status, 1), (headers, challenge)
        assert challenge.startswith('Bearer realm="sealring"')


@pytest.mark.parametrize(("name", "of"), [(name, of) for of in ("issuer", "verifier") for name in GUARDED])
async def test_every_guard_points_to_the_metadata(name: str, of: str) -> None:
    auth = cheap_sealring(resource=RESOURCE)
    verifier = verifier_of(auth, resource=RESOURCE) if of == "verifier" else None
    app = GUARDED[name](verifier or auth)
    async with auth.lifespan(), nullcontext() if verifier is None else verifier.lifespan(), visitor(app) as client:
        await check_challenges(client, "/orders", (await auth.start_session("42")).access_token.text)


@pytest.mark.parametrize("name", [name for name in ROUTES if "framework" in name or "Ninja" in name])
async def test_so_do_frameworks_on_django(name: str) -> None:
    auth = cheap_sealring(resource=RESOURCE)
    app, path = ROUTES[name](auth)
    async with auth.lifespan(), visitor(app) as client:
        await check_challenges(client, path, (await auth.start_session("42")).access_token.text)


@pytest.mark.parametrize("name", HOSTS)
async def test_every_host_serves_the_document_and_its_own_routes_point_to_it(name: str) -> None:
    auth = cheap_sealring(resource=RESOURCE)
    app = HOSTS[name](auth)
    async with auth.lifespan(), visitor(app) as client:
        found = await client.get(PATH, headers={"Origin": "https://any.example", "Host": "evil.example"})
        if "Django" not in name:  # whose URLs were made for the first setting that this process had; see below
            assert found.json() == DOCUMENT
            assert found.headers["access-control-allow-origin"] == "*"
            assert found.headers["cache-control"] == "public, max-age=300"
            assert (await client.get("/.well-known/oauth-protected-resource")).status_code == 404, "of another resource"
        assert POINTER in (await client.get("/auth/me")).headers["www-authenticate"]


def fastapi(verifier: Verifier) -> Any:
    app = FastAPI()
    app.include_router(verifier.well_known_router())
    return app


def starlette(verifier: Verifier) -> Any:
    app = Starlette()
    app.mount("/.well-known", verifier.asgi_well_known())
    return app


def quart(verifier: Verifier) -> Any:
    app = Quart(__name__)
    verifier.init_app(app)
    return app


def flask(verifier: Verifier) -> Any:
    app = Flask(__name__)
    verifier.init_app(app)
    return WSGI(app)


def nothing(_: Any, start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [])
    return []


@pytest.mark.parametrize(
    "make",
    [
        fastapi, starlette, quart, flask,
        lambda verifier: verifier.asgi(Starlette()),
        lambda verifier: verifier.asgi_well_known(Starlette()),
        lambda verifier: Litestar(plugins=[SealringPlugin(verifier)], logging_config=None),
        lambda verifier: WSGI(verifier.wsgi_well_known(nothing)),
    ],
)  # fmt: skip
async def test_a_service_that_only_verifies_serves_it_too(make: Any) -> None:
    """Without its issuer: the document needs nothing that has to be followed."""
    async with visitor(make(verifier_of(cheap_sealring(), resource=RESOURCE))) as client:
        assert (await client.get(PATH)).json() == OF_A_VERIFIER
        assert (await client.post(PATH)).status_code == 405
        assert (await client.get("/.well-known/oauth-authorization-server")).status_code == 404
    async with visitor(make(verifier_of(cheap_sealring()))) as client:
        assert (await client.get(PATH)).status_code == 404


def django_urls() -> ModuleType:
    """A project's URLs, made for the setting as it is now: a process has them once, and so has `well_known_urls`."""
    spec = find_spec("sealring.frameworks.django.well_known_urls")
    assert spec is not None
    assert spec.loader is not None
    made, urls = module_from_spec(spec), ModuleType("urls_of_this_setting")
    spec.loader.exec_module(made)
    urls.urlpatterns = [path(".well-known/", include(made))]  # type: ignore[attr-defined]
    return urls


@pytest.mark.parametrize("of", ["issuer", "verifier"])
def test_django_serves_it_too(of: str) -> None:
    auth = cheap_sealring(resource=RESOURCE)
    use(auth if of == "issuer" else verifier_of(auth, resource=RESOURCE))
    with override_settings(ROOT_URLCONF=django_urls()):
        found = Client().get(PATH, headers={"Origin": "https://any.example", "Host": "evil.example"})
        assert found.json() == (DOCUMENT if of == "issuer" else OF_A_VERIFIER)
        assert found.headers["access-control-allow-origin"] == "*"
        assert found.headers["cache-control"] == "public, max-age=300"
        assert Client().post(PATH).status_code == 405
        assert Client().get("/.well-known/oauth-protected-resource").status_code == 404, "of another resource"
        is_issuer = Client().get("/.well-known/oauth-authorization-server").status_code == 200
        assert is_issuer is (of == "issuer")
    use(cheap_sealring())
    with override_settings(ROOT_URLCONF=django_urls()):
        assert Client().get(PATH).status_code == 404


async def test_without_a_resource_nothing_points_anywhere() -> None:
    auth = cheap_sealring()
    async with auth.lifespan(), visitor(HOSTS["FastAPI router"](auth)) as client:
        assert (await client.get("/auth/me")).headers["www-authenticate"] == 'Bearer realm="sealring"'
        assert (await client.get(PATH)).status_code == 404


@pytest.mark.parametrize(
    "url",
    ["api", "ftp://api.example", "https://api.example/?x=1", "https://api.example/#x", "https://u:p@api.example",
     'https://api.example/"x', "https://api.example/a b", "https://api.exämple", "https://api.example/\\", "https://"],
)  # fmt: skip
def test_a_resource_that_no_challenge_can_name_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SEALRING_RESOURCE: must be an http or https URL"):
        load_settings(secret=SECRET, resource=url)
    with pytest.raises(ConfigurationError, match="resource must be an http or https URL"):
        verifier_of(cheap_sealring(), resource=url)


async def test_a_client_may_ask_for_a_token_for_the_api(anyio_backend: str) -> None:  # noqa: ARG001
    auth: Sealring = cheap_sealring(resource=RESOURCE)
    async with auth.lifespan(), visitor(HOSTS["FastAPI router"](auth)) as client:
        made = await auth.clients.register("report")
        form = {"grant_type": "client_credentials", "resource": RESOURCE}
        answer = await client.post("/auth/token", data=form, auth=(made.client.id, made.secret))
        assert answer.status_code == 200
