"""Libraries of OAuth clients, as their users call them, against a server: discovery, grants, revocation, introspection.

openid-client, oauth4webapi and simple-oauth2 in Node; requests-oauthlib and Authlib in Python.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession  # type: ignore[import-untyped]
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError, LegacyApplicationClient
from requests_oauthlib import OAuth2Session

from tests.npm import installed, run
from tests.ports import free_port
from tests.serving import PASSWORD, SEALRING, ServedProcess, bearer, environment, fresh_name, register, start

PACKAGE = Path(__file__).parent / "oauth"


@dataclass(frozen=True)
class Scene:
    """What a client gets: the URLs, two registered clients, and a user."""

    issuer: str
    resource: str
    report: dict[str, str]
    gateway: dict[str, str]
    username: str
    password: str = PASSWORD


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedProcess]:
    folder, port = tmp_path_factory.mktemp("oauth"), free_port()
    settings = {
        "SEALRING_PASSWORD_GRANT": "on",
        "SEALRING_RESOURCE": f"http://127.0.0.1:{port}",
        "SEALRING_DPOP": "optional",
    }
    served = start(folder, "--no-demo", port=port, **settings)
    yield served
    served.kill()


@pytest.fixture(scope="module")
def scene(served: ServedProcess) -> Scene:
    def added(*arguments: str) -> dict[str, str]:
        command = [*SEALRING, "clients", "add", *arguments, "--json"]
        said = subprocess.run(
            command, cwd=served.folder, env=environment(), capture_output=True, check=True, timeout=60
        )
        made: dict[str, str] = json.loads(said.stdout)
        return made

    name = fresh_name()
    with served.client() as client:
        register(client, name)
    report = added("nightly report", "--scope", "orders:read", "--scope", "orders:write")
    return Scene(served.url, served.url, report, added("gateway", "--introspect"), name)


@pytest.fixture
def insecure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both libraries refuse plain http, which this server speaks on loopback."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


def said_by(script: str, scene: Scene, folder: Path) -> dict[str, Any]:
    (folder / "node_modules").symlink_to(installed(PACKAGE))
    (folder / script).write_text((PACKAGE / script).read_text())
    said: dict[str, Any] = json.loads(run("node", script, folder=folder, SCENE=json.dumps(asdict(scene))))
    return said


@pytest.mark.xdist_group("npm")
def test_openid_client(scene: Scene, tmp_path: Path) -> None:
    assert said_by("openid-client.mjs", scene, tmp_path) == {
        "scope": "orders:read",
        "refused": "invalid_scope",
        "before": True,
        "client": scene.report["client_id"],
        "after": {"active": False},
        "type": "bearer",
        "hasRefresh": False,
        "ended": {"active": False},
        "over": "invalid_grant",
        "challenge": [401, "basic"],
    }


@pytest.mark.xdist_group("npm")
def test_oauth4webapi_finds_all_from_the_url_of_the_api(scene: Scene, tmp_path: Path) -> None:
    assert said_by("oauth4webapi.mjs", scene, tmp_path) == {
        "pointer": f"{scene.resource}/.well-known/oauth-protected-resource",
        "error": "invalid_token",
        "issuer": scene.issuer,
        "scope": "orders:read",
        "live": 204,
        "verified": True,
        "before": True,
        "signed": scene.report["client_id"],
        "client": scene.report["client_id"],
        "after": {"active": False},
        "ended": {"active": False},
    }


@pytest.mark.xdist_group("npm")
def test_simple_oauth2(scene: Scene, tmp_path: Path) -> None:
    assert said_by("simple-oauth2.mjs", scene, tmp_path) == {
        "scope": "orders:read",
        "expires": 1800,
        "own": 401,
        "user": 401,
        "over": "invalid_grant",
    }


@pytest.mark.xdist_group("npm")
def test_dpop_by_oauth4webapi_and_openid_client(scene: Scene, tmp_path: Path) -> None:
    assert said_by("dpop.mjs", scene, tmp_path) == {
        "supported": True,
        "asked": ["login"],  # once: each answer brings the next nonce
        "type": "dpop",
        "mine": 204,
        "bearer": ["dpop", "invalid_token"],
        "stolen": ["dpop", "invalid_dpop_proof"],
        "validated": True,
        "introspected": "DPoP",
        "own": "dpop",
        "used": 204,
    }


@pytest.mark.usefixtures("insecure")
def test_requests_oauthlib(served: ServedProcess, scene: Scene) -> None:
    token_url, client_id = f"{scene.issuer}/auth/token", scene.report["client_id"]
    machine = OAuth2Session(client=BackendApplicationClient(client_id=client_id))
    own = machine.fetch_token(
        token_url, client_id=client_id, client_secret=scene.report["client_secret"], scope=["orders:read"]
    )
    assert own["scope"] == ["orders:read"]
    assert machine.get(f"{scene.issuer}/auth/live").status_code == 204
    with pytest.raises(InvalidClientError):
        machine.fetch_token(token_url, client_id=client_id, client_secret="wrong")
    app = OAuth2Session(client=LegacyApplicationClient(client_id="my-app"))
    user = app.fetch_token(token_url, username=scene.username, password=scene.password)
    refreshed = app.refresh_token(token_url, refresh_token=user["refresh_token"])
    assert app.get(f"{scene.issuer}/auth/me").json()["username"] == scene.username
    with served.client() as client:
        revoked = client.post("/auth/revoke", data={"token": refreshed["refresh_token"]})
        assert revoked.status_code == 200
        assert client.get("/auth/live", headers=bearer(refreshed["access_token"])).status_code == 401


@pytest.mark.usefixtures("insecure")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib(served: ServedProcess, scene: Scene, method: str) -> None:
    with served.client() as client:
        metadata = client.get("/.well-known/oauth-authorization-server").json()
    assert method in metadata["token_endpoint_auth_methods_supported"]

    def session(made: dict[str, str]) -> Any:
        return AuthlibSession(
            made["client_id"],
            made["client_secret"],
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            token_endpoint=metadata["token_endpoint"],
        )

    machine, gateway = session(scene.report), session(scene.gateway)
    own = machine.fetch_token(grant_type="client_credentials", scope="orders:read")
    assert own["scope"] == "orders:read"
    assert machine.get(f"{scene.issuer}/auth/live").status_code == 204

    def introspected(token: str) -> dict[str, Any]:
        said: dict[str, Any] = gateway.introspect_token(metadata["introspection_endpoint"], token=token).json()
        return said

    assert introspected(own["access_token"])["client_id"] == scene.report["client_id"]
    assert machine.revoke_token(metadata["revocation_endpoint"], token=own["access_token"]).status_code == 200
    assert introspected(own["access_token"]) == {"active": False}
    app = AuthlibSession("my-app", token_endpoint_auth_method="none", token_endpoint=metadata["token_endpoint"])
    user = app.fetch_token(grant_type="password", username=scene.username, password=scene.password)
    refreshed = app.refresh_token(metadata["token_endpoint"], refresh_token=user["refresh_token"])
    assert introspected(refreshed["access_token"])["active"] is True
