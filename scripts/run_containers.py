"""Runs the image `sealring`: alone, with an application, and as deploy/compose.yaml says.

`scripts/containers` runs this in namespaces of their own. The compose file is carried out by podman, service by
service, in the order and on the conditions that it names.
"""

from __future__ import annotations

import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2

from scripts.compose_file import NETWORK, arguments, in_order, read_services
from scripts.podman import LIMITS, Engine
from scripts.release_files import ROOT

URL = "http://127.0.0.1:8000"
PUBLISHED = "--publish=127.0.0.1:8000:8000"
CONFINED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges:true")
WITHIN_SECONDS = 120.0
PROBE = "import os; print(os.getuid(), os.getgid(), open('/proc/self/status').read().split('CapEff:')[1].split()[0])"


class Runner:
    """The containers of one storage.

    Args:
        engine: it has the image `sealring`.
        folder: for files that containers read.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._secret = folder / "secret"
        self._secret.write_text(f"SEALRING_SECRET={secrets.token_hex(64)}\n")
        self._folder = folder

    def alone(self) -> str:
        """The image as it is, over SQLite on its volume."""
        self._start("alone", *CONFINED, f"--env-file={self._secret}", PUBLISHED, "localhost/sealring")
        self._until("alone is healthy", lambda: self._engine.succeeds("healthcheck", "run", "alone"))
        who = self._engine("exec", "alone", "python", "-c", PROBE).split()
        require(who == ["10001", "10001", "0000000000000000"], f"the process is {who}")
        self._engine("exec", "alone", "touch", "/app/written", fails=True)
        said = self._engine("exec", "alone", "sealring", "check")
        require("ok    store" in said, said)
        register()
        self._engine("rm", "--force", "alone")
        return "image: healthy, as user 10001 without capabilities on a read-only root; an account was made"

    def application(self) -> str:
        """The page's three lines on the image, with the application of the page on one node."""
        for page, name in (("one-node.md", "shop.py"), ("containers.md", "Dockerfile")):
            text = ROOT.joinpath("docs", "how-to", page).read_text("utf-8")
            (block,) = re.findall(rf'^```\w+ title="{name}"\n(.*?)^```', text, re.DOTALL | re.MULTILINE)
            self._folder.joinpath(name).write_text(block)
        limits = [f"--ulimit={limit}" for limit in (*LIMITS, "memlock=65536:65536")]
        options = ["--isolation", "chroot", "--format", "docker", *limits, "-t", "localhost/shop"]
        self._engine("bud", *options, "-f", self._folder / "Dockerfile", self._folder, program="buildah")
        self._start("shop", *CONFINED, f"--env-file={self._secret}", PUBLISHED, "localhost/shop")
        self._until("shop is healthy", lambda: self._engine.succeeds("healthcheck", "run", "shop"))
        token = register()
        require(ask("/whoami", token) == httpx2.codes.OK, "the application does not know its user")
        self._engine("rm", "--force", "shop")
        return "application: built on the image, healthy; it knows its user"

    def compose(self) -> Iterator[str]:
        """The services of the compose file."""
        values = {"SEALRING_SECRET": secrets.token_hex(64), "POSTGRES_PASSWORD": secrets.token_hex(24)}
        services = read_services(values)
        self._engine("network", "create", NETWORK)
        for name in in_order(services):
            for other, want in services[name].get("depends_on", {}).items():
                self._until(f"{other}: {want['condition']}", self._condition(other, want["condition"]))
            self._start(*arguments(name, services[name]))
            yield f"compose: {name} started"
        self._until("auth is healthy", self._condition("auth", "service_healthy"))
        token = register()
        self._engine("restart", "auth", "postgres")
        self._until("auth is healthy again", self._condition("auth", "service_healthy"))
        self._until("the session outlives a restart", lambda: ask("/auth/live", token) == httpx2.codes.NO_CONTENT)
        said = self._engine("exec", "auth", "sealring", "users", "list")
        require("ada-" in said, said)
        yield "compose: an account was made, and its session outlives a restart of auth and postgres"
        for name in reversed(list(services)):
            self._engine("rm", "--force", name)
        self._engine("network", "rm", NETWORK)

    def _start(self, *options: str) -> None:
        name = [] if options[0].startswith("--name=") else [f"--name={options[0]}"]
        rest = options if not name else options[1:]
        # no cgroups of their own: a machine that is itself a guest may have none to give
        self._engine("run", "--detach", "--cgroups=disabled", *name, *rest)

    def _condition(self, name: str, condition: str) -> Callable[[], bool]:
        match condition:
            case "service_healthy":
                return lambda: self._engine.succeeds("healthcheck", "run", name)
            case "service_completed_successfully":
                state = ("inspect", "--format={{.State.Status}} {{.State.ExitCode}}", name)
                return lambda: self._engine(*state).startswith("exited 0")
            case _:
                raise ValueError(f"{name}: {condition} is not carried out")

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                names = self._engine("ps", "--all", "--format={{.Names}}").split()
                logs = "".join(f"== {name}\n{self._engine('logs', name)[-3000:]}" for name in names)
                raise SystemExit(f"sealring: error: not within {WITHIN_SECONDS:.0f} s: {what}\n{logs}")
            time.sleep(0.3)


def register() -> str:
    """Make an account at what is published; its access token."""
    body = {"username": f"ada-{secrets.token_hex(4)}", "password": "correct horse battery"}
    answer = httpx2.post(f"{URL}/auth/register", json=body, timeout=10, trust_env=False)
    return str(answer.raise_for_status().json()["access_token"])


def ask(path: str, token: str) -> int | None:
    """The status of an answer to who has this token; None while nothing answers."""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        return httpx2.get(URL + path, headers=headers, timeout=10, trust_env=False).status_code
    except httpx2.TransportError:
        return None


def require(holds: bool, words: str) -> None:  # noqa: FBT001 - as `assert`, which -O would remove
    """End with these words where something does not hold."""
    if not holds:
        raise SystemExit(f"sealring: error: {words}")


def main(folder: Path) -> None:
    """Run all, and say what was seen."""
    engine = Engine(folder)
    runner = Runner(engine, folder)
    try:
        sys.stdout.write(f"{runner.alone()}\n{runner.application()}\n")
        for line in runner.compose():
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    finally:
        engine("rm", "--all", "--force", "--time=0")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
