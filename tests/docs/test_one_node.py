"""docs/how-to/one-node.md: its files are really used: the unit, the environment, nginx, Caddy, the image's command."""

from __future__ import annotations

import json
import os
import re
import shlex
import ssl
import subprocess
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
import yaml

from sealring.settings import SETTINGS
from tests.browser.tls_front import make_certificate
from tests.docs.transcript import files
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import PASSWORD, SEALRING, SECRET, START_WITHIN_SECONDS, environment, fresh_name

pytestmark = pytest.mark.xdist_group("one node")

PAGE = "how-to/one-node.md"
ROOT = Path(__file__).parents[2]
HOST = "shop.example.com"
ECHO = """

from fastapi import WebSocket


@app.websocket("/echo")
async def echo(websocket: WebSocket, user: Annotated[Principal, Security(guard(auth))]) -> None:
    await websocket.accept()
    await websocket.send_text(user.subject)
    await websocket.close()
"""
ASK = """
import asyncio, ssl, sys
from websockets.asyncio.client import connect

async def main(port, certificate, token):
    trusted = ssl.create_default_context(cafile=certificate)
    bearer = {"Authorization": f"Bearer {token}"}
    url = f"wss://shop.example.com:{port}/echo"
    async with connect(url, host="127.0.0.1", ssl=trusted, additional_headers=bearer, proxy=None) as socket:
        print(await socket.recv())

asyncio.run(main(*sys.argv[1:]))
"""


def settings_of(text: str) -> dict[str, str]:
    """An environment file."""
    return dict(line.split("=", 1) for line in text.splitlines() if line)


def replaced(text: str, **words: str) -> str:
    for one, other in words.items():
        assert one in text, f"the page has no {one}"
        text = text.replace(one, other)
    return text


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while True:
        try:
            if httpx2.get(url, timeout=2, trust_env=False).status_code < 500:
                return
        except httpx2.TransportError:
            pass
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        time.sleep(0.05)


def run(folder: Path, name: str, command: Sequence[str], settings: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, env=environment(**settings), stdout=log, stderr=log)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)
        raise


@dataclass(frozen=True)
class Shop:
    """The application as the unit starts it."""

    folder: Path
    port: int
    certificate: Path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The unit's command with the environment file of the page."""
    folder, port, shown = tmp_path_factory.mktemp("shop"), free_port(), files(PAGE)
    folder.joinpath("shop.py").write_text(shown["shop.py"] + ECHO)
    settings = settings_of(shown["environment"])
    settings |= {"SEALRING_SECRET": SECRET, "SEALRING_DATABASE_URL": f"sqlite:///{folder}/sealring.db"}
    (started,) = re.findall(r"^ExecStart=/opt/shop/bin/sealring (.*)$", shown["shop.service"], re.MULTILINE)
    process = run(folder, "shop", [*SEALRING, *shlex.split(replaced(started, **{"8001": str(port)}))], settings)
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", process, folder / "shop.log")
        yield Shop(folder, port, make_certificate(folder)[0])
    finally:
        end(process)


def site(shop: Shop, ports: tuple[int, int]) -> str:
    """The page's file for nginx, with the ports and the certificate of this machine."""
    return replaced(
        files(PAGE)["/etc/nginx/sites-available/shop"],
        **{
            "listen 80;": f"listen 127.0.0.1:{ports[0]};",
            "listen 443 ": f"listen 127.0.0.1:{ports[1]} ",
            f"/etc/letsencrypt/live/{HOST}/fullchain.pem": str(shop.certificate),
            f"/etc/letsencrypt/live/{HOST}/privkey.pem": str(shop.certificate),
            "127.0.0.1:8001": f"127.0.0.1:{shop.port}",
        },
    )


@contextmanager
def running_nginx(folder: Path, text: str, port: int) -> Iterator[None]:
    """nginx with this site as the only one; `port` speaks plain http."""
    folder.joinpath("site").write_text(text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    folder.joinpath("nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; events {{}} http {{ access_log off; {places} include {folder}/site; }}"
    )
    command = [str(required_program("nginx")), "-e", "stderr", "-c", str(folder / "nginx.conf")]
    process = run(folder, "nginx", command, {})
    try:
        wait_for(f"http://127.0.0.1:{port}/", process, folder / "nginx.log")
        yield
    finally:
        end(process)


@pytest.fixture
def nginx(shop: Shop, tmp_path: Path) -> Iterator[int]:
    """nginx with the page's file as the only site; its port."""
    ports = free_port(), free_port()
    with running_nginx(tmp_path, site(shop, ports), ports[0]):
        moved = httpx2.get(f"http://127.0.0.1:{ports[0]}/a?b", headers={"Host": HOST}, trust_env=False)
        assert (moved.status_code, moved.headers["location"]) == (308, f"https://{HOST}/a?b")
        yield ports[1]


@pytest.fixture
def caddy(shop: Shop, tmp_path: Path) -> Iterator[int]:
    """Caddy with the page's file, where the certificate is the test's; its port."""
    program, port = required_program("caddy"), free_port()
    text = replaced(
        files(PAGE)["/etc/caddy/Caddyfile"],
        **{
            f"{HOST} {{": f"https://{HOST}:{port} {{\n\ttls {shop.certificate} {shop.certificate}",
            "127.0.0.1:8001": f"127.0.0.1:{shop.port}",
        },
    ).replace(
        "{\n\tservers", f"{{\n\tadmin off\n\thttp_port {free_port()}\n\tauto_https disable_redirects\n\tservers", 1
    )
    tmp_path.joinpath("Caddyfile").write_text(text)
    command = [str(program), "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    places = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    process = run(tmp_path, "caddy", command, places)
    try:
        wait_for(f"http://127.0.0.1:{port}/", process, tmp_path / "caddy.log")
        yield port
    finally:
        end(process)


@pytest.fixture(params=["nginx", "caddy"])
def ask(request: pytest.FixtureRequest, shop: Shop, tmp_path: Path) -> Callable[..., str]:
    """Ask through the proxy by curl, as a browser with one jar: its status, or what `-w` says."""
    port = int(request.getfixturevalue(request.param))
    curl = required_program("curl")

    def asked(path: str, *options: str, shows: str = "%{http_code}") -> str:
        command = [
            str(curl), "--silent", "--show-error", "--cacert", str(shop.certificate), "--noproxy", "*",
            "--resolve", f"{HOST}:{port}:127.0.0.1", "--cookie-jar", "jar", "--cookie", "jar", "--output", "body",
            "--write-out", shows, *options, f"https://{HOST}:{port}{path}",
        ]  # fmt: skip
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True).stdout

    return asked


JSON = ("--header", "Content-Type: application/json")


def test_a_browser_logs_in_through_the_proxy(ask: Callable[..., str], tmp_path: Path) -> None:
    body = json.dumps({"username": fresh_name(), "password": PASSWORD, "delivery": "cookie"})
    forged = ("--header", "X-Forwarded-For: 203.0.113.9")
    assert ask("/auth/register", *JSON, *forged, "--data", body) == "201"
    assert "__Host-sealring_access" in (tmp_path / "jar").read_text()
    assert ask("/whoami") == "200"
    assert ask("/auth/sessions") == "200"
    (session,) = json.loads((tmp_path / "body").read_text())["sessions"]
    assert session["address"] == "127.0.0.1", "what the client wrote there is not believed"
    assert ask("/whoami", shows="%header{strict-transport-security}").startswith("max-age=")
    assert ask("/auth/logout", *JSON, "--request", "POST") == "403", "no proof that our own page asks"
    assert ask("/auth/logout", *JSON, "--request", "POST", "--header", "Sec-Fetch-Site: same-origin") == "204"
    assert ask("/whoami") == "401"


def test_the_proxy_keeps_what_is_too_large_and_what_is_internal(ask: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b" " * 70_000)
    # Caddy 2.6 calls it now its own and now the upstream's fault
    assert ask("/auth/login", "--http1.1", *JSON, "--data-binary", "@large") in {"413", "502"}
    assert ask("/whoami", "--http1.1", "--header", f"X-Large: {'x' * 40_000}") in {"400", "414", "431"}
    assert [ask(path) for path in ("/metrics", "/readyz", "/healthz")] == ["404", "404", "200"]


@pytest.mark.parametrize("name", ["nginx", "caddy"])
def test_a_websocket_passes_the_proxy(name: str, request: pytest.FixtureRequest, shop: Shop, tmp_path: Path) -> None:
    port = request.getfixturevalue(name)
    body = {"username": fresh_name(), "password": PASSWORD}
    made = httpx2.post(f"http://127.0.0.1:{shop.port}/auth/register", json=body, trust_env=False).json()
    tmp_path.joinpath("ask.py").write_text(ASK)
    command = [SEALRING[0], "ask.py", str(port), str(shop.certificate), made["access_token"]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout.strip(), done.returncode) == (made["user"]["id"], 0), done.stderr


class Stale(BaseHTTPRequestHandler):
    """A node that has not reached its store for too long."""

    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, format: str, *args: object) -> None:  # the names are the library's
        pass


def test_nginx_asks_another_node_where_one_is_away_or_stale(shop: Shop, tmp_path: Path) -> None:
    """docs/how-to/many-nodes.md: its upstream and its two lines, in the site of one node."""
    shown = files("how-to/many-nodes.md")["many-nodes.conf"]
    upstream, _, beside = shown.partition("# beside proxy_pass\n")
    ports = free_port(), free_port()
    text = re.sub(r"^upstream shop \{.*?^\}\n", lambda _: upstream, site(shop, ports), flags=re.DOTALL | re.MULTILINE)
    stale = ThreadingHTTPServer(("127.0.0.1", 0), Stale)
    threading.Thread(target=stale.serve_forever, daemon=True).start()
    places = {"10.0.0.11:8001": free_port(), "10.0.0.12:8001": stale.server_port, "10.0.0.13:8001": shop.port}
    text = replaced(text, **{place: f"127.0.0.1:{port}" for place, port in places.items()})
    text = replaced(text, **{"proxy_pass http://shop;": f"proxy_pass http://shop;\n{beside}"})
    trusted = ssl.create_default_context(cafile=str(shop.certificate))
    try:
        with (
            running_nginx(tmp_path, text, ports[0]),
            httpx2.Client(verify=trusted, trust_env=False, headers={"Host": HOST}) as client,
        ):
            url, asked = f"https://127.0.0.1:{ports[1]}/healthz", {"sni_hostname": HOST}
            assert [client.get(url, extensions=asked).status_code for _ in range(9)] == [200] * 9
    finally:
        stale.shutdown()
        stale.server_close()


def test_systemd_takes_the_unit_and_finds_it_confined(tmp_path: Path) -> None:
    analyze = str(required_program("systemd-analyze"))
    unit = files(PAGE)["shop.service"].replace("/opt/shop/bin/sealring", SEALRING[0])
    tmp_path.joinpath("shop.service").write_text(unit)
    quiet = {"SYSTEMD_LOG_LEVEL": "warning", "PATH": os.environ["PATH"]}

    def said(*arguments: str) -> tuple[int, str]:
        command = [analyze, "--man=no", "--no-pager", *arguments, str(tmp_path / "shop.service")]
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    assert said("verify") == (0, "")
    code, words = said("security", "--offline=yes", "--threshold=20")
    assert code == 0, words
    tmp_path.joinpath("shop.service").write_text(unit.replace("ProtectHome=yes", "ProtectHom=yes"))
    assert "Unknown key" in said("verify")[1]


def test_the_command_of_the_image_runs_with_the_environment_of_the_compose_file(tmp_path: Path) -> None:
    shown, port = files(PAGE), free_port()
    image, compose = shown["Dockerfile"], yaml.safe_load(shown["compose.yaml"])
    service = compose["services"]["shop"]
    assert service["environment"].keys() <= {row.variable for row in SETTINGS.values()}
    ((subnet,),) = (one.values() for one in compose["networks"]["default"]["ipam"]["config"])
    assert service["environment"]["SEALRING_TRUSTED_PROXIES"] == subnet
    (extra,) = re.findall(r"sealring\[(\w+)\]", image)
    assert extra in tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())["project"]["optional-dependencies"]
    ((name, value),) = (
        line.removeprefix("ENV ").split("=", 1) for line in image.splitlines() if line.startswith("ENV ")
    )
    settings = service["environment"] | {
        name: value.replace("/data", str(tmp_path)),
        "SEALRING_SECRET": SECRET,
    }
    (command,) = (json.loads(line[4:]) for line in image.splitlines() if line.startswith("CMD "))
    (health,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", image, re.MULTILINE)
    assert command[:2] == ["sealring", "serve"]
    tmp_path.joinpath("shop.py").write_text(shown["shop.py"])
    inside = "0.0.0.0"  # noqa: S104 - in a container; here it is loopback
    typed = [*SEALRING, *(one.replace("8001", str(port)).replace(inside, "127.0.0.1") for one in command[1:])]
    process = run(tmp_path, "shop", typed, settings)
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", process, tmp_path / "shop.log")
        asked = [SEALRING[0], *json.loads(health.replace("8001", str(port)))[1:]]
        assert subprocess.run(asked, timeout=30, check=False).returncode == 0
    finally:
        end(process)
    assert (tmp_path / "sealring.db").exists()
