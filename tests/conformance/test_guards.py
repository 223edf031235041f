"""Routes of an application's own, in every framework: one table of states and routes, the same answer everywhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from sealring import Sealring, Verifier
from sealring.authentication.client_info import ClientInfo
from sealring.testing import verifier_of
from tests.clocks import FrozenClock
from tests.conformance.guarded import GUARDED, SCOPE
from tests.conformance.hosts import transport_of
from tests.serving import bearer, cheap_sealring, cookie_line

pytestmark = pytest.mark.anyio

BASE = "http://127.0.0.1:8000"
CROSS = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
SAME = {"Sec-Fetch-Site": "same-origin", "Origin": BASE}

Headers = dict[str, str]


class Tokens:
    """Access tokens in every state."""

    good: str
    unscoped: str
    revoked: str
    csrf: str
    other_csrf: str


def cookie(token: str) -> Headers:
    return cookie_line({"sealring_access": token})


WORDS = {
    "42": (200, None),
    "nobody": (200, None),
    "missing": (401, "missing_credential"),
    "dead": (401, "invalid_token"),
    "bad": (400, "invalid_request"),
    "scope": (403, "insufficient_scope"),
    "csrf": (403, "csrf"),
}
TABLE: dict[str, tuple[str, Callable[[Tokens], Headers], str]] = {
    # the request                                                      /open   /home   /mine   /orders
    "nothing": ("GET", lambda _: {},                                  "nobody nobody missing missing"),
    "a token": ("GET", lambda t: bearer(t.good),                      "42     42     42      42"),
    "the scheme in lower case": ("GET", lambda t: {"Authorization": f"bearer {t.good}"}, "42 42 42 42"),
    "a cookie": ("GET", lambda t: cookie(t.good),                     "42     42     42      42"),
    "a token without the scope": ("GET", lambda t: bearer(t.unscoped), "42    42     42      scope"),
    "no token": ("GET", lambda _: bearer("x.y.z"),                    "nobody dead   dead    dead"),
    "a token cut short": ("GET", lambda t: bearer(t.good[:-2]),       "nobody dead   dead    dead"),
    "a revoked token": ("GET", lambda t: bearer(t.revoked),           "nobody dead   dead    dead"),
    "a revoked cookie": ("GET", lambda t: cookie(t.revoked),          "nobody dead   dead    dead"),
    "half a field": ("GET", lambda _: {"Authorization": "Bearer"},    "nobody bad    bad     bad"),
    "two tokens in a field": ("GET", lambda t: {"Authorization": f"Bearer {t.good} {t.good}"}, "nobody bad bad bad"),
    "a token and a cookie": ("GET", lambda t: bearer(t.good) | cookie(t.good), "nobody bad bad bad"),
    "a cookie tossed twice": ("GET", lambda t: {"Cookie": f"sealring_access={t.good}; sealring_access={t.good}"},
                              "nobody nobody missing missing"),
    "a cookie in quotes": ("GET", lambda t: {"Cookie": f'sealring_access="{t.good}"'}, "nobody nobody missing missing"),
    "a cookie, a space": ("GET", lambda t: {"Cookie": f"sealring_access ={t.good}"}, "nobody nobody missing missing"),
    "POST, another site's page": ("POST", lambda t: cookie(t.good) | CROSS, "- - csrf -"),
    "POST, a page that says nothing": ("POST", lambda t: cookie(t.good), "- - csrf -"),
    "POST, our page": ("POST", lambda t: cookie(t.good) | SAME,       "- - 42 -"),
    "POST, a token from another site": ("POST", lambda t: bearer(t.good) | CROSS, "- - 42 -"),
    "POST, the session's CSRF token": ("POST", lambda t: cookie(t.good) | {"X-CSRF-Token": t.csrf}, "- - 42 -"),
    "POST, another session's": ("POST", lambda t: cookie(t.good) | {"X-CSRF-Token": t.other_csrf}, "- - csrf -"),
    "POST, a page of an origin like ours": (
        "POST", lambda t: cookie(t.good) | {"Origin": BASE + ".evil.example"}, "- - csrf -"),
    "POST, no origin": ("POST", lambda t: cookie(t.good) | {"Origin": "null"}, "- - csrf -"),
}  # fmt: skip
PATHS = ("/open", "/home", "/mine", "/orders")

FIELDS: dict[tuple[str, str, str], Any] = {}
"""What the first application that was asked has answered, by request."""


Site = tuple[Sealring, httpx2.AsyncClient, Verifier | None]
"""Who issues the tokens, the application, and the verifier that it uses where it is another service than the issuer."""

OF_THE_ISSUER = "POST, the session's CSRF token"
"""What a service without the root secret cannot check: there a page has to name its origin."""


@pytest.fixture(params=[(name, of) for of in ("issuer", "verifier") for name in GUARDED], ids="-".join)
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    name, of = request.param
    auth = cheap_sealring()
    verifier = verifier_of(auth, cookie_name="sealring") if of == "verifier" else None
    app = GUARDED[name](verifier or auth)
    async with (
        auth.lifespan(),
        nullcontext() if verifier is None else verifier.lifespan(),
        httpx2.AsyncClient(transport=transport_of(app), base_url=BASE) as client,
    ):
        yield auth, client, verifier


async def tokens_of(auth: Sealring) -> Tokens:
    tokens = Tokens()
    good = await auth.start_session("42", scopes=[SCOPE])
    unscoped = await auth.start_session("42")
    revoked = await auth.start_session("42", scopes=[SCOPE])
    await auth.revoke_session(revoked.session.id)
    tokens.good, tokens.csrf = good.access_token.text, auth.csrf_token(auth.verify(good.access_token.text))
    tokens.unscoped = unscoped.access_token.text
    tokens.other_csrf = auth.csrf_token(auth.verify(unscoped.access_token.text))
    tokens.revoked = revoked.access_token.text
    return tokens


def fields_of(answer: httpx2.Response) -> dict[str, str]:
    """The fields of a refusal. Starlette's `requires` does not say which scope was missing."""
    return {name: re.sub(', scope="[^"]*"', "", value) for name, value in answer.headers.items()}


async def test_every_route_answers_every_state_alike(site: Site) -> None:
    auth, client, verifier = site
    tokens = await tokens_of(auth)
    if verifier is not None:
        assert await verifier.follower.poll()
    for said, (method, headers, written) in TABLE.items():
        cells = "- - csrf -" if verifier is not None and said == OF_THE_ISSUER else written
        for path, cell in zip(PATHS, cells.split(), strict=True):
            if cell == "-":
                continue
            status, code = WORDS[cell]
            answer = await client.request(method, path, headers=headers(tokens))
            assert answer.status_code == status, (said, path, answer.text)
            if code is None:
                assert answer.text == cell, (said, path)
                continue
            assert answer.json()["code"] == code, (said, path)
            fields = (fields_of(answer), answer.content)
            assert FIELDS.setdefault((said, path, code), fields) == fields, (said, path)


STEPS: dict[str, tuple[int, str]] = {
    # how old the last proof is in seconds, and how strong; then the answer
    "just now, two factors": (0, "mfa"),
    "five minutes ago": (300, "mfa"),
    "two factors without phishing": (10, "phr"),
    "a second too old": (301, "mfa"),
    "one factor": (0, "sfa"),
    "nobody said how": (0, ""),
    "another issuer's word": (0, "urn:mfa"),
    "too old and too weak": (900, "sfa"),
}
PASSES = {"just now, two factors", "five minutes ago", "two factors without phishing"}
STEP_UP_CHALLENGE = (
    'Bearer realm="sealring", error="insufficient_user_authentication", '
    'error_description="authenticate again: a more recent or a stronger proof is needed", '
    'max_age="300", acr_values="mfa phr"'
)


async def test_a_step_up_is_asked_alike_everywhere(site: Site) -> None:
    """RFC 9470 §3: by the token alone, wherever it is verified."""
    auth, client, verifier = site
    assert isinstance(auth.clock, FrozenClock)
    now = auth.clock.now_ms() // 1000
    for said, (age, acr) in STEPS.items():
        issued = await auth.issuer.new_sessions.start(
            "42", client_id="shop", client=ClientInfo(""), scopes=[], acr=acr, auth_time=now - age
        )
        if verifier is not None:
            assert await verifier.follower.poll()
        answer = await client.get("/transfer", headers=bearer(issued.access_token.text))
        if said in PASSES:
            assert (answer.status_code, answer.text) == (200, "42"), said
            continue
        assert answer.status_code == 401, (said, answer.text)
        problem = answer.json()
        assert problem["code"] == "insufficient_user_authentication", said
        assert (problem["max_age"], problem["acr_values"]) == (300, ["mfa", "phr"])
        assert answer.headers["www-authenticate"] == STEP_UP_CHALLENGE
        fields = (fields_of(answer), answer.content)
        assert FIELDS.setdefault(("", "/transfer", "step-up"), fields) == fields, said
    missing = await client.get("/transfer")
    assert (missing.status_code, missing.json()["code"]) == (401, "missing_credential")


async def test_a_bound_session_is_asked_alike_everywhere(site: Site) -> None:
    """By the token alone, wherever it is verified (design D22)."""
    auth, client, verifier = site
    now = auth.clock.now_ms() // 1000
    issued = await auth.issuer.new_sessions.start("42", client_id="shop", client=ClientInfo(""), scopes=[])
    on_device = replace(issued.session, device_jwk="{}")
    access = auth.issuer.sessions.tokens.access
    bound = access.issue(on_device, epoch=0, scopes=[], claims={}, now=now)
    if verifier is not None:
        assert await verifier.follower.poll()
    answer = await client.get("/payouts", headers=bearer(bound.text))
    assert (answer.status_code, answer.text) == (200, "42")
    answer = await client.get("/payouts", headers=bearer(issued.access_token.text))
    assert (answer.status_code, answer.json()["code"]) == (403, "session_not_bound")
    fields = (fields_of(answer), answer.content)
    assert FIELDS.setdefault(("", "/payouts", "bound"), fields) == fields
    missing = await client.get("/payouts")
    assert (missing.status_code, missing.json()["code"]) == (401, "missing_credential")


async def test_f4_a_node_that_hears_nothing_answers_503_everywhere(site: Site) -> None:
    auth, client, _ = site
    tokens = await tokens_of(auth)
    assert isinstance(auth.clock, FrozenClock)
    auth.clock.pass_seconds(60)
    for path in PATHS[1:]:
        answer = await client.get(path, headers=bearer(tokens.good))
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "stale", "1"), path
    assert (await client.get("/open", headers=bearer(tokens.good))).text == "nobody"
