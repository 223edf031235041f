"""An authenticated route against the same route open, over real HTTP: `scripts/bench web [seconds] [rounds]`.

wrk (Debian's), keep-alive, 32 connections, one uvicorn worker with uvloop and httptools; the open and the
guarded server take turns, so the ratio of a round holds where the machine's speed drifts. A hundred tokens of a
hundred sessions repeat, as clients repeat them. Targets: FastAPI >= 0.95, bare ASGI >= 0.88.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import asyncio
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench.report import Report, Table, add_json_option

ROWS = [
    ("bare ASGI, middleware protects", "bare_open", "bare_guarded"),
    ("FastAPI, middleware protects", "fastapi_open", "fastapi_protected"),
    ("FastAPI, an empty dependency (floor of the next)", "fastapi_open", "fastapi_dependency"),
    ("FastAPI, guard as a dependency", "fastapi_open", "fastapi_guarded"),
    ("FastAPI, guard against an empty dependency", "fastapi_dependency", "fastapi_guarded"),
    ("demo: GET /api/userOrders (reads SQLite)", "orders_open", "orders_guarded"),
]
TARGETS = {"web-bare-guarded-bare-open": {"with": 0.88}, "web-fastapi-guarded-fastapi-dependency": {"with": 0.95}}
CONNECTIONS = 32
TOKENS = 100
SCRIPT = """
local tokens, at = {}, 0
for line in io.lines("%s") do tokens[#tokens + 1] = line end
request = function()
  at = at %% #tokens + 1
  return wrk.format("GET", "/api/userOrders", {["Authorization"] = "Bearer " .. tokens[at]})
end
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One application in a process of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "uvicorn", f"bench.web_apps:{name}", "--factory", "--port", str(self.port)]
        options = ["--no-access-log", "--log-level", "error", "--loop", "uvloop", "--http", "httptools"]
        environment = {"BENCH_FOLDER": str(folder), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())}
        self.process = subprocess.Popen([*command, *options], env=environment)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise SystemExit(f"{name} did not start")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def requests_per_second(server: Server, script: Path, seconds: float) -> float:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", str(script)]
    done = subprocess.run([*command, f"http://127.0.0.1:{server.port}"], capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout:
        raise SystemExit(f"requests were refused:\n{done.stdout}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if found is None or not float(found[1]):
        raise SystemExit("the server answered nothing in this time: a machine with other work?")
    return float(found[1])


async def make_tokens(folder: Path) -> list[str]:
    from bench.web_apps import auth_in  # noqa: PLC0415 - the servers import it too

    auth = auth_in(folder)
    async with auth.lifespan():
        sessions = [await auth.start_session(f"user-{number}", scopes=["orders:read"]) for number in range(TOKENS)]
        return [session.access_token.text for session in sessions]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", nargs="?", type=float, default=4)
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    add_json_option(parser)
    arguments = parser.parse_args()
    report, seconds, rounds = Report(arguments.json), arguments.seconds, arguments.rounds
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    folder = Path(tempfile.mkdtemp())
    (folder / "tokens").write_text("\n".join(asyncio.run(make_tokens(folder))) + "\n")
    script = folder / "tokens.lua"
    script.write_text(SCRIPT % (folder / "tokens"))
    print(f"wrk -t1 -c{CONNECTIONS} -d{seconds:g}s, {rounds:g} rounds in turn, {TOKENS} tokens; medians")
    print(f"{'':48} {'open/s':>8} {'guarded/s':>10} {'ratio':>6} {'min..max':>12} {'us/request':>10}")
    for label, open_name, guarded_name in ROWS:
        servers = [Server(open_name, folder), Server(guarded_name, folder)]
        try:
            for server in servers:
                requests_per_second(server, script, 1)
            pairs = [tuple(requests_per_second(server, script, seconds) for server in servers) for _ in range(rounds)]
        finally:
            for server in servers:
                server.stop()
        ratios = [guarded / bare for bare, guarded in pairs]
        costs = [1e6 / guarded - 1e6 / bare for bare, guarded in pairs]
        medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
        print(
            f"{label:48} {medians[0]:8.0f} {medians[1]:10.0f} {statistics.median(ratios):6.3f} "
            f"{min(ratios):.2f}..{max(ratios):.2f} {statistics.median(costs):10.1f}"
        )
        values = dict(zip(("without", "with"), map(list, zip(*pairs, strict=True)), strict=True))
        name = f"web-{guarded_name}-{open_name}".replace("_", "-")
        report.add(Table.of(name, label, "requests/s", values, targets=TARGETS.get(name), less_is_better=False))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
