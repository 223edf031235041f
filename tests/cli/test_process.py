"""What only a process shows: the console script, exit codes, `serve` from an empty folder, several workers, logs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.serving import (
    PASSWORD,
    SEALRING,
    ServedProcess,
    bearer,
    cookie_line,
    environment,
    fresh_name,
    problem,
    register,
    start,
)

pytestmark = pytest.mark.xdist_group("commands")


def sealring(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SEALRING, *arguments],
        cwd=folder,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("arguments", [["version"], ["--help"], ["users", "create", "--help"], ["secret"]])
def test_what_serves_nobody_loads_no_web_framework(arguments: list[str]) -> None:
    code = (
        "import sys; from sealring.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print([name for name in ('fastapi', 'starlette', 'uvicorn') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout
    assert done.stderr.strip() == "[]"


def test_events_that_are_warnings_are_no_part_of_what_a_command_prints(tmp_path: Path) -> None:
    assert sealring(tmp_path, "init").returncode == 0
    assert sealring(tmp_path, "keys", "rotate").stderr == ""
    done = sealring(tmp_path, "restored", "--yes")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_log_of_a_library_is_no_part_of_what_a_command_prints() -> None:
    code = (
        "import logging; from sealring.cli import main\n"
        "try: main(['version'])\n"
        "finally: logging.getLogger('psycopg.pool').warning('discarding closed connection')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout
    assert done.stderr == ""


def test_a_command_ends_with_its_code_and_keeps_the_streams_apart(tmp_path: Path) -> None:
    done = sealring(tmp_path, "version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"sealring \S+\n", done.stdout)
    refused = sealring(tmp_path, "users", "list")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("sealring: error: SEALRING_SECRET is not set\nhint: ")
    wrong = sealring(tmp_path, "nonsense")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("sealring: error: No such command")


def test_a_reader_that_has_gone_is_no_traceback(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        process = subprocess.run(
            [*SEALRING, "secret"], cwd=tmp_path, env=environment(), stdout=gone, stderr=subprocess.PIPE, check=False
        )
    assert b"Traceback" not in process.stderr
    assert process.returncode == 1


@pytest.mark.parametrize("line", ["users create ada", "users delete ada", "keys revoke x"])
@pytest.mark.parametrize("stdin", ["</dev/null", "<&-"])
def test_a_prompt_without_a_terminal_is_refused(tmp_path: Path, line: str, stdin: str) -> None:
    command = f'"$@" {line} {stdin}'
    done = subprocess.run(
        ["/bin/sh", "-c", command, "sh", *SEALRING], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 2
    error, hint = done.stderr.decode().splitlines()
    assert error.startswith("sealring: error: there is no terminal to ask for a ")
    assert hint.startswith("hint: give --")


def test_a_password_prompt_asks_twice_and_shows_nothing(tmp_path: Path) -> None:
    sealring(tmp_path, "init")
    ours, theirs = os.openpty()
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        with os.fdopen(theirs) as stdin:
            asked = subprocess.Popen(
                [*SEALRING, "users", "create", "ada"],
                cwd=tmp_path,
                env=environment(),
                stdin=stdin,
                stdout=stdin,
                stderr=stdin,
                start_new_session=True,
            )
        shown = b""
        for question in (b"Password:", b"Repeat for confirmation:"):
            while question not in shown:
                shown += terminal.read(1024)
            terminal.write(f"{PASSWORD}\n".encode())
        with contextlib.suppress(OSError):  # EIO is how a terminal says that nobody is left
            while more := terminal.read(1024):
                shown += more
    assert asked.wait(30) == 0, shown
    assert b"created ada with id " in shown
    assert PASSWORD.encode() not in shown


def test_following_the_audit_log_shows_what_happens_until_ctrl_c(tmp_path: Path) -> None:
    sealring(tmp_path, "init")
    following = subprocess.Popen(
        [*SEALRING, "audit", "--follow", "--json"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    sealring(tmp_path, "sessions", "revoke-user", "--subject", "42")
    assert following.stdout is not None
    line = json.loads(following.stdout.readline())
    assert (line["kind"], line["subject"]) == ("subject_revoked", "42")
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=30)
    assert (following.returncode, err.strip()) == (0, "")


# serve, from an empty folder


def test_a_first_start_makes_all_it_needs_and_a_second_rewrites_nothing(tmp_path: Path) -> None:
    served = start(tmp_path)
    said = (tmp_path / "stdout").read_text().splitlines()
    assert len(said) == 3, "where the secret went, and what to open in two lines"
    assert said[1].startswith(f"Sealring is at {served.url} ")
    env = (tmp_path / ".env").read_bytes()
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "sealring.db").stat().st_mode) == 0o600
    with served.client() as client:
        tokens = register(client, name := fresh_name())
        ended = register(client)
        client.post("/auth/logout", headers=bearer(ended["access_token"]))
    assert served.stop() == 0
    again = start(tmp_path, port=served.port)
    try:
        assert (tmp_path / ".env").read_bytes() == env
        assert len((tmp_path / "stdout").read_text().splitlines()) == len(said) + 2
        with again.client() as client:
            assert client.get("/auth/me", headers=bearer(tokens["access_token"])).json()["username"] == name
            assert client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).status_code == 200
            assert problem(client.get("/auth/me", headers=bearer(ended["access_token"])))[0] == 401
            answer = client.post("/auth/refresh", json={"refresh_token": ended["refresh_token"]})
            assert problem(answer) == (401, "session_ended")
            login = client.post("/auth/login", json={"username": name, "password": PASSWORD})
            assert login.status_code == 200
            # and the operator's word reaches the running server
            assert sealring(tmp_path, "users", "disable", name, SEALRING_ISSUER=served.url).returncode == 0
            _until(client, login.json()["access_token"], 401)
            assert problem(client.post("/auth/login", json={"username": name, "password": PASSWORD}))[0] == 401
    finally:
        again.kill()
    assert "Traceback" not in again.log


def _until(client: httpx2.Client, token: str, status: int) -> None:
    """Ask until every answer has that status; at most S long (I1)."""
    deadline = time.monotonic() + 5.5
    while client.get("/auth/me", headers=bearer(token)).status_code != status:
        assert time.monotonic() < deadline, "not in force within the staleness bound"
        time.sleep(0.05)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_well_however_it_is_told(tmp_path: Path, number: signal.Signals, workers: str) -> None:
    served = start(tmp_path, "--workers", workers)
    try:
        served.process.send_signal(number)
        assert served.process.wait(30) == 0
    finally:
        served.kill()
    assert "Traceback" not in served.log


# several workers


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedProcess]:
    served = start(
        tmp_path_factory.mktemp("crew"),
        "--workers",
        "2",
        SEALRING_THROTTLE_ADDRESS="10000/1m",
        SEALRING_THROTTLE_REGISTRATION="10000/1m",
    )
    yield served
    served.kill()


def workers_of(served: ServedProcess) -> set[int]:
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return {pid for pid, command in commands.items() if b"spawn_main" in command}


def test_workers_share_accounts_keys_and_revocations(crew: ServedProcess) -> None:
    assert len(workers_of(crew)) == 2
    with crew.client() as client:
        tokens = register(client, name := fresh_name())
    clients = [crew.client() for _ in range(16)]  # connections of their own: the kernel deals them out
    try:
        for client in clients:
            assert client.get("/auth/me", headers=bearer(tokens["access_token"])).json()["username"] == name
            assert client.post("/auth/login", json={"username": name, "password": PASSWORD}).status_code == 200
        body = {"refresh_token": tokens["refresh_token"]}
        answers = [client.post("/auth/refresh", json=body) for client in clients]
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        assert clients[0].post("/auth/logout", headers=bearer(tokens["access_token"])).status_code == 204
        assert clients[0].get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 401, "I2"
        for client in clients:
            _until(client, tokens["access_token"], 401)
        answers = [client.post("/auth/refresh", json=body) for client in clients]
        assert {problem(answer) for answer in answers} == {(401, "session_ended")}
    finally:
        for client in clients:
            client.close()


def test_a_worker_that_dies_is_replaced_and_nothing_is_lost(crew: ServedProcess) -> None:
    with crew.client() as client:
        tokens = register(client)
    victim = min(workers_of(crew))
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while victim in workers_of(crew) or len(workers_of(crew)) < 2:
        assert time.monotonic() < deadline, "no worker took its place"
        time.sleep(0.1)
    for _ in range(8):
        with crew.client() as client:
            assert _me(client, tokens["access_token"]) == 200
    assert "Traceback" not in crew.log


def _me(client: httpx2.Client, token: str) -> int:
    """Asked again while a connection falls to the worker that has just died, or to one that is not up yet."""
    for _ in range(100):
        try:
            answer = client.get("/auth/me", headers=bearer(token))
        except httpx2.TransportError:
            answer = None
        if answer is not None and answer.status_code != 503:
            return answer.status_code
        time.sleep(0.1)
    return 503


# logs


def test_i15_logs_have_the_true_cause_and_nothing_that_opens_anything(tmp_path: Path) -> None:
    served = start(tmp_path)
    name, wrong = fresh_name(), "a guess of somebody's"
    try:
        with served.client() as client:
            answer = client.post("/auth/register", json={"username": name, "password": PASSWORD, "delivery": "cookie"})
            cookies = dict(client.cookies)
            client.cookies.clear()
            tokens = client.post("/auth/login", json={"username": name, "password": PASSWORD}).json()
            access, refresh = tokens["access_token"], tokens["refresh_token"]
            client.post("/auth/login", json={"username": name, "password": wrong})
            client.post("/auth/login", json={"username": wrong, "password": PASSWORD})
            client.post("/auth/token", data={"grant_type": "password", "username": name, "password": wrong})
            client.get("/auth/me", headers=bearer(access[:-8] + "AAAAAAAA"))
            client.get(f"/auth/{access}?access_token={access}")
            client.get("/api/userOrders", headers=bearer("forged.token.here"))
            client.post("/auth/refresh", headers=cookie_line(cookies))
            client.post("/auth/refresh", json={"refresh_token": refresh[:-4] + "AAAA"})
            client.post("/auth/refresh", json={"refresh_token": refresh, "more": PASSWORD})
            client.post("/auth/logout", headers=bearer(access))
            client.get("/auth/me", headers=bearer(access))
            client.post("/auth/refresh", json={"refresh_token": refresh})
            client.post("/auth/login", content=b'{"password":"%s"' % PASSWORD.encode(), headers={"content-type": "x"})
        served.process.send_signal(signal.SIGINT)  # Ctrl-C is how one stops it, no failure
        assert served.process.wait(30) == 0
    finally:
        served.kill()
    log = served.log
    secret = (tmp_path / ".env").read_text().split("SEALRING_SECRET=")[1].strip()
    csrf = answer.json()["csrf_token"]
    for text in (PASSWORD, wrong, access, access.split(".")[1], refresh, secret, csrf, *cookies.values()):
        assert text not in log
        assert text not in (tmp_path / "stdout").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"at", "level", "logger", "message"} <= set.intersection(*map(set, lines))
    codes = [line.get("code") for line in lines]
    for cause in (
        "invalid_credentials", "bad_signature", "malformed", "csrf", "invalid_token", "invalid_field", "revoked",
        "session_ended", "unsupported_media_type",
    ):  # fmt: skip
        assert cause in codes, cause
    [revoked] = [line for line in lines if line.get("code") == "revoked"]
    assert revoked["cause"] == "session"
    assert "login_failed" in log
    assert "Traceback" not in log
