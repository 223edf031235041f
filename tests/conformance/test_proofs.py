"""Tokens that are bound to a key, in every framework: let in with their proof, and never without (RFC 9449 §7)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext

import httpx2
import pytest

from sealring import Sealring
from sealring.authentication.client_info import ClientInfo
from sealring.jwt.dpop import hash_of
from sealring.testing import verifier_of
from tests.conformance.guarded import GUARDED
from tests.conformance.hosts import transport_of
from tests.proofs import KEY, OTHER, claims, signed
from tests.serving import bearer, cheap_sealring

pytestmark = pytest.mark.anyio

BASE = "http://127.0.0.1:8000"
PATHS = ("/mine", "/orders")


@pytest.fixture(params=[(name, of) for of in ("issuer", "verifier") for name in GUARDED], ids="-".join)
async def site(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Sealring, httpx2.AsyncClient]]:
    name, of = request.param
    auth = cheap_sealring(dpop="optional", issuer=BASE)
    verifier = verifier_of(auth, resource=f"{BASE}/shop") if of == "verifier" else None
    app = GUARDED[name](verifier or auth)
    async with (
        auth.lifespan(),
        nullcontext() if verifier is None else verifier.lifespan(),
        httpx2.AsyncClient(transport=transport_of(app), base_url=BASE) as client,
    ):
        yield auth, client


async def test_a_bound_token_needs_its_proof_everywhere(site: tuple[Sealring, httpx2.AsyncClient]) -> None:
    auth, client = site
    now = auth.clock.now_ms() // 1000
    issued = await auth.issuer.new_sessions.start(
        "42", client_id="app", client=ClientInfo("", proof_key=KEY.thumbprint), scopes=["orders:read"]
    )
    token = issued.access_token.text

    def proof(path: str, key: object = KEY) -> str:
        said = claims(htm="GET", htu=f"{BASE}{path}", iat=now, ath=hash_of(token))
        return signed(said, OTHER if key is OTHER else KEY)

    for path in PATHS:
        with_proof = {"Authorization": f"DPoP {token}", "DPoP": proof(path)}
        answer = await client.get(path, headers=with_proof, params={"page": "2"})
        assert (answer.status_code, answer.text) == (200, "42"), (path, answer.text)
        for refused, code in (
            (with_proof, "invalid_dpop_proof"),  # a replay
            (bearer(token), "invalid_token"),
            (bearer(token) | {"DPoP": proof(path)}, "invalid_token"),
            ({"Authorization": f"DPoP {token}"}, "invalid_dpop_proof"),
            ({"Authorization": f"DPoP {token}", "DPoP": proof("/other")}, "invalid_dpop_proof"),
            ({"Authorization": f"DPoP {token}", "DPoP": proof(path, OTHER)}, "invalid_dpop_proof"),
        ):
            answer = await client.get(path, headers=refused)
            assert (answer.status_code, answer.json()["code"]) == (401, code), (path, refused)
            assert answer.headers["www-authenticate"].startswith("DPoP "), (path, refused)
