"""What an application says of a provider: checked when it is said; and what the presets know."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sealring import jwt
from sealring.providers import OIDC, Apple, Auth0, GitHub, Google, Keycloak, Microsoft, Okta
from tests.providers.fake_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider
from tests.providers.scene import error_of, scene
from tests.serving import cheap_sealring

pytestmark = pytest.mark.anyio

ISSUER = "https://login.example.com"
TENANT = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OIDC("http://login.example.com", "c"), "issuer must be https"),
        (lambda: OIDC("login.example.com", "c"), "issuer must be https"),
        (lambda: OIDC(f"{ISSUER}?x=1", "c"), "issuer must be https"),
        (lambda: OIDC(ISSUER, ""), "client_id must not be empty"),
        (lambda: OIDC(ISSUER, "c", name="Acme"), "name must be 1 to 32 lower-case"),
        (lambda: OIDC(ISSUER, "c", name="a/b"), "name must be 1 to 32 lower-case"),
        (lambda: OIDC(ISSUER, "c", scopes=("email",)), "scopes must have openid"),
        (lambda: OIDC(ISSUER, "c", parameters={"state": "x"}), "parameters must not have state"),
        (lambda: OIDC(ISSUER, "c", response_mode="fragment"), "response_mode must be"),  # type: ignore[arg-type]
        (lambda: Microsoft("c", "s", tenant="common"), "tenant must be the id of one tenant"),
        (lambda: Okta("https://acme.okta.com", "c", "s"), "domain must be a host"),
        (lambda: Auth0("acme.auth0.com/x", "c", "s"), "domain must be a host"),
        (lambda: cheap_sealring(providers=[OIDC(ISSUER, "c"), OIDC(ISSUER, "d")]), "two are named oidc"),
    ],
)
def test_a_wrong_value_is_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OIDC(5, "c"), "issuer must be text"),  # type: ignore[arg-type]
        (lambda: OIDC(ISSUER, "c", trusts_email="yes"), "trusts_email must be True"),  # type: ignore[arg-type]
        (lambda: OIDC(ISSUER, "c", parameters=["x"]), "parameters must be a mapping"),  # type: ignore[arg-type]
        (lambda: OIDC(ISSUER, "c", required_claims={"hd": 5}), "required_claims must be"),  # type: ignore[dict-item]
        (lambda: cheap_sealring(providers=OIDC(ISSUER, "c")), "providers must be a list"),  # type: ignore[arg-type]
        (lambda: cheap_sealring(providers=["google"]), "providers must be of sealring"),  # type: ignore[list-item]
    ],
)
def test_a_wrong_type_is_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


def test_no_repr_shows_a_secret() -> None:
    key = jwt.Key.generate("ES256", kid="KEY")
    apple = Apple("com.example.web", team_id="TEAM", key_id="KEY", private_key=key)
    for provider in (Google("client", "hush-hush"), GitHub("client", "hush-hush"), apple):
        assert "hush" not in repr(provider)
        assert "client" in repr(provider) or "com.example" in repr(provider)


def test_what_the_presets_know() -> None:
    assert Google("c", "s", hosted_domain="example.com").parameters == {"hd": "example.com"}
    assert Microsoft("c", "s", tenant=TENANT).required_claims == {"tid": TENANT}
    assert Okta("acme.okta.com", "c", "s").issuer == "https://acme.okta.com"
    assert Auth0("acme.auth0.com", "c", "s").issuer == "https://acme.auth0.com/", "with its slash, as in iss"
    assert Keycloak("https://sso.example.com/", "acme", "c", "s").issuer == "https://sso.example.com/realms/acme"


def test_apple_signs_its_secret_with_the_key_of_the_team() -> None:
    key = jwt.Key.generate("ES256", kid="KEY")
    apple = Apple("com.example.web", team_id="TEAM", key_id="KEY", private_key=key)
    secret = jwt.verify(apple.secret_at(1_900_000_000), key.public(), audience=apple.issuer, now=1_900_000_001)
    assert (secret.claims["iss"], secret.claims["sub"]) == ("TEAM", "com.example.web")
    assert secret.header == {"alg": "ES256", "kid": "KEY"}


@pytest.mark.parametrize(
    "key",
    [
        jwt.Key.generate("ES256", kid="OTHER"),
        jwt.Key.generate("ES256", kid="KEY").public(),
        jwt.Key.generate("Ed25519", kid="KEY"),
        jwt.Key.generate("ES256").public().to_pem(),
    ],
    ids=["another kid", "public", "another algorithm", "public as text"],
)
def test_a_key_with_which_apple_would_let_nobody_in_is_refused(key: jwt.Key | str) -> None:
    with pytest.raises(ValueError, match="must be a private key for ES256"):
        Apple("com.example.web", team_id="TEAM", key_id="KEY", private_key=key)


async def test_a_workspace_or_a_tenant_lets_its_own_users_in_alone() -> None:
    async with scene(provider={"required_claims": {"hd": "example.com"}}) as here, here.browser() as browser:
        for hosted in (None, "example.org", ["example.com"]):
            here.op.claims = {"hd": hosted}
            assert error_of(await here.log_in(browser)) == "invalid_credentials"
        here.op.claims = {"hd": "example.com"}
        assert error_of(await here.log_in(browser)) is None


@pytest.mark.parametrize(("said", "verified"), [("true", True), (True, True), ("false", False), ("True", False)])
async def test_apple_says_by_text_or_by_value_whether_an_address_is_verified(said: object, verified: bool) -> None:  # noqa: FBT001
    class AppleHere(OIDC):
        email_verified_as_text = True

    def kind(op: FakeProvider) -> OIDC:
        return AppleHere(op.issuer, CLIENT_ID, CLIENT_SECRET, name="acme")

    op = FakeProvider(user={"sub": "op-ann", "email": "ann@example.com", "email_verified": said})
    async with scene(op=op, kind=kind) as here, here.browser() as browser:
        await here.log_in(browser)
        account = await here.auth.accounts.get((await here.user(browser))["id"])
        assert account.email_verified is verified


# GitHub, which has no ID token


def github(op: FakeProvider) -> GitHub:
    class GitHubHere(GitHub):
        @classmethod
        def api(cls) -> tuple[str, str, str]:
            return f"{op.issuer}/authorize", f"{op.issuer}/token", f"{op.issuer}/user"

    return GitHubHere(CLIENT_ID, CLIENT_SECRET, name="acme")


class GitHubServer(FakeProvider):
    """GitHub's API."""

    def answer(self, method: str, path: str, fields: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if path.startswith("/user"):
            assert fields["authorization"] == "Bearer op-access-token"
            return 200, json.dumps(self.user[path]).encode()
        return super().answer(method, path, fields, body)


def octocat(**email: Any) -> dict[str, Any]:
    return {
        "/user": {"id": 583231, "login": "octocat", "name": "The Octocat", "email": "public@example.com"},
        "/user/emails": [
            {"email": "other@example.com", "primary": False, "verified": True},
            {"email": "octocat@example.com", "primary": True, "verified": True} | email,
        ],
    }


@pytest.mark.parametrize("verified", [True, False])
async def test_github_users_log_in_without_an_id_token(verified: bool) -> None:  # noqa: FBT001
    op = GitHubServer(user=octocat(verified=verified))
    op.id_token = lambda nonce: "none"  # type: ignore[method-assign]  # noqa: ARG005
    async with scene(op=op, kind=github) as here, here.browser() as browser:
        url = await here.begin(browser)
        assert "nonce" not in url
        assert "code_challenge=" in url
        path, given = op.callback(url, iss=None)
        assert error_of(await browser.get(path, params=given)) is None
        account = await here.auth.accounts.get((await here.user(browser))["id"])
        assert (account.name, account.email, account.email_verified) == ("octocat", "octocat@example.com", verified)
        (identity,) = await here.auth.issuer.sign_ins.identities_of(account.id)
        assert b'"583231"' in identity.public, "by the number, which stays when the name is another's"


async def test_github_refuses_a_code_with_200() -> None:
    op = GitHubServer(user=octocat())
    op.id_token = lambda nonce: ""  # type: ignore[method-assign]  # noqa: ARG005
    op.token_answer = lambda _: b'{"error": "bad_verification_code"}'
    async with scene(op=op, kind=github) as here, here.browser() as browser:
        path, given = op.callback(await here.begin(browser), iss=None)
        assert error_of(await browser.get(path, params=given)) == "invalid_credentials"


async def test_github_has_no_logout_from_there() -> None:
    async with scene(op=GitHubServer(user=octocat()), kind=github) as here, here.browser() as browser:
        answer = await browser.post("/auth/oidc/acme/backchannel-logout", data={"logout_token": "x.y.z"})
        assert answer.status_code == 400
