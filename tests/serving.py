"""Servers for tests: the command line as a process of its own, and an application of ours in a thread.

A process is as its users start it (SQLite, the machine's clock, full Argon2). The thread is for tests
that move the clock or reach behind HTTP: memory store, frozen clock, cheap hashes.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx2
import uvicorn
from fastapi import FastAPI, Security

from sealring import Sealring, SealringError
from sealring.accounts.argon2id import Argon2Profile
from sealring.authentication.decision import AuthenticationPolicy
from sealring.frameworks.fastapi import guard
from sealring.issuer.accounts import AccountPolicy, Accounts
from sealring.issuer.commit import CommittingStore
from sealring.issuer.methods import LoginMethod
from sealring.issuer.methods.password import PasswordMethod
from sealring.providers import OIDC
from sealring.rate_limits.rate import RateLimit
from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store
from sealring.verifier.principal import Principal
from sealring.wiring import scopes_check
from tests.clocks import FrozenClock
from tests.hashers import CountingHasher
from tests.plain_http import TRUST_NOBODY
from tests.ports import free_port

T = TypeVar("T")

PASSWORD = "seven blue otters sing"
OTHER_PASSWORD = "eight green herons wade"
SECRET = "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef"
SEALRING = (sys.executable, "-c", "from sealring.cli import main; main()")
"""The console script, without asking where it was installed."""
START_WITHIN_SECONDS = 60
CHEAP = Argon2Profile(memory_kib=64, passes=1)

_names = itertools.count(1)


def fresh_name() -> str:
    """A user name that no other test of this run has."""
    return f"user{next(_names)}"


def environment(**settings: str) -> dict[str, str]:
    """The environment with these settings of ours and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("SEALRING_")}
    return kept | settings


# the command line


@dataclass
class ServedProcess:
    """`sealring serve` as a process of its own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that it wrote to stderr so far."""
        return (self.folder / "stderr").read_text(errors="replace")

    def client(self, **options: Any) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=30, verify=TRUST_NOBODY, **options)

    def kill(self) -> None:
        """Kill -9, workers included."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def stop(self) -> int:
        """Ask it to end, as a supervisor does; its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def start(folder: Path, *arguments: str, port: int = 0, **settings: str) -> ServedProcess:
    """Serve in this folder and wait until it is ready."""
    port = port or free_port()
    with (folder / "stdout").open("ab") as out, (folder / "stderr").open("ab") as err:
        process = subprocess.Popen(
            [*SEALRING, "serve", "--port", str(port), *arguments],
            cwd=folder,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    served = ServedProcess(folder, port, process)
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while not _is_ready(served.url):
        if process.poll() is not None or time.monotonic() > deadline:
            served.kill()
            raise AssertionError(f"the server did not start:\n{served.log}")
        time.sleep(0.02)
    return served


@cache
def shared_demo() -> ServedProcess:
    """One demo for all tests of this run that do not need one of their own."""
    folder = tempfile.TemporaryDirectory(prefix="sealring-demo-")
    served = start(
        Path(folder.name),
        SEALRING_THROTTLE_ADDRESS="100000/1m",
        SEALRING_THROTTLE_REGISTRATION="100000/1m",
        SEALRING_PASSWORD_MIN_LENGTH="15",
    )

    def end() -> None:
        served.kill()
        folder.cleanup()

    atexit.register(end)
    return served


def _is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz", timeout=1, trust_env=False, verify=TRUST_NOBODY).status_code == 200
    except httpx2.TransportError:
        return False


# in a thread


def cheap_sealring(
    store: Store | None = None,
    clock: FrozenClock | None = None,
    *,
    account_rate: RateLimit = RateLimit(10, 300),  # noqa: B008 - a frozen value
    grant_for: Any = None,
    providers: Sequence[OIDC] = (),
    on_identity: Any = None,
    more_methods: Sequence[Callable[[CommittingStore], LoginMethod]] = (),
    mfa: Literal["off", "optional", "required"] = "optional",
    **settings: Any,
) -> Sealring:
    """A `Sealring` on a frozen clock, a memory store and hashes that cost nothing.

    `more_methods` are login methods beside the password, registered as `wiring` registers those of the package.
    """
    clock = FrozenClock() if clock is None else clock
    store = MemoryStore(clock.now_ms) if store is None else store
    given: dict[str, Any] = {
        "secret": SECRET,
        "throttle_address": "100000/1m",
        "throttle_registration": "100000/1m",
        "password_grant": "on",
        "mfa": mfa,
    } | settings
    auth = Sealring(
        store=store, clock=clock, grant_for=grant_for, providers=providers, on_identity=on_identity, **given
    )
    hasher = CountingHasher(profile=CHEAP)
    accounts = Accounts(
        auth.issuer.store,
        hasher,
        clock=clock.now_ms,
        devices=auth.issuer.device_cookies,
        policy=AccountPolicy(
            account_rate=account_rate,
            address_rate=auth.settings.throttle_address,
            registration_rate=auth.settings.throttle_registration,
            registration=auth.settings.registration,
            answer_grid_ms=1,
        ),
        check_scopes=scopes_check(auth.parts.measure, grant_for),
    )
    more = [make(auth.issuer.store) for make in more_methods]
    own = [
        PasswordMethod(auth.issuer.store, hasher, clock=clock.now_ms) if isinstance(way, PasswordMethod) else way
        for way in auth.issuer.logins.authenticator.methods
    ]
    authenticator = replace(
        auth.issuer.logins.authenticator,
        accounts=accounts,
        policy=AuthenticationPolicy(methods=tuple(way.row for way in (*own, *more)), mfa=mfa),
        methods=(*own, *more),
    )
    logins = replace(auth.issuer.logins, authenticator=authenticator)
    credentials = replace(auth.issuer.credentials, authenticator=authenticator)
    auth.issuer = replace(
        auth.issuer,
        accounts=accounts,
        logins=logins,
        reauthentication=replace(auth.issuer.reauthentication, logins=logins),
        credentials=credentials,
        sign_ins=replace(auth.issuer.sign_ins, credentials=credentials),
        factors=replace(
            auth.issuer.factors,
            credentials=credentials,
            reauthentication=replace(auth.issuer.reauthentication, logins=logins),
        ),
    )
    return auth


@dataclass
class ServedThread:
    """An application of ours behind uvicorn in a thread."""

    auth: Sealring
    url: str
    loop: asyncio.AbstractEventLoop

    def client(self, **options: Any) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=30, trust_env=False, verify=TRUST_NOBODY, **options)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine where the server runs."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass, and the node hear that nothing happened meanwhile."""
        clock = self.auth.clock
        assert isinstance(clock, FrozenClock)

        async def work() -> None:
            clock.pass_seconds(seconds)
            assert await self.auth.follower.poll()

        self.run(work())


@contextmanager
def serve_in_thread(
    auth: Sealring,
    *,
    root_path: str = "",
    ws: Literal["none", "websockets-sansio", "wsproto"] = "none",
    add_routes: Callable[[FastAPI], None] = lambda _: None,
) -> Iterator[ServedThread]:
    """Serve the auth routes under /auth, health, one guarded route /orders, and more routes, until the block ends."""
    loops: list[asyncio.AbstractEventLoop] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with auth.lifespan(app):
            loops.append(asyncio.get_running_loop())
            yield

    app = FastAPI(lifespan=lifespan)
    app.include_router(auth.router())
    app.include_router(auth.health_router())
    app.add_middleware(auth.middleware)
    app.add_exception_handler(SealringError, auth.problem_response)

    @app.get("/orders")
    async def orders(who: Principal = Security(guard(auth))) -> dict[str, str]:  # noqa: B008, FAST002 - `auth` is local
        return {"subject": who.subject}

    add_routes(app)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        # as `sealring serve` does: which proxies to believe is a setting of ours, not uvicorn's
        uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="on", ws=ws, proxy_headers=False, root_path=root_path
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in time"
        time.sleep(0.005)
    try:
        yield ServedThread(auth, f"http://127.0.0.1:{listener.getsockname()[1]}", loops[0])
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


# what requests look like


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def cookie_line(cookies: Mapping[str, str]) -> dict[str, str]:
    """Cookies as one field, past any cookie jar."""
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


def register(client: httpx2.Client, name: str | None = None, **fields: Any) -> Any:
    """Make an account; the answer's body."""
    body = {"username": name or fresh_name(), "password": PASSWORD} | fields
    answer = client.post("/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of a refusal, which is problem details and must not be kept."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["status"] == answer.status_code
    more = {"pending", "methods"} if body["code"] == "second_factor_required" else set()
    asked = {"max_age", "acr_values"} if body["code"] == "insufficient_user_authentication" else set()
    assert set(body) - {"errors"} - asked == {"type", "title", "status", "detail", "code"} | more
    return answer.status_code, body["code"]
