"""Runs every benchmark of the page, keeps what it measured in `bench/results`, and writes `docs/benchmarks.md`.

    scripts/bench all [--quick] [--only PART]…

About a quarter of an hour. Use a machine on which nothing else runs: each figure is a median of rounds in turns, with
its spread, but two processes on two busy cores measure each other. A benchmark that fails or takes too long is reported
on the page as not measured, with the reason; the others go on. `--quick` takes a few rounds of each, to try the page:
it is marked so. `python -m bench.page` makes the page anew from what is in `bench/results`.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import os
import re
import signal
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.machine import describe
from bench.page import RESULTS, RUN, Record, write_page
from bench.parts import PARTS, Part
from bench.report import Results

ROOT = Path(__file__).parents[1]
LIMIT_SECONDS = 480
"""Of one part; the longest, ten thousand verifiers on one machine, takes some minutes."""
MINUTES = 20
FULL = re.compile(r"\d[\d.]*$")


def arguments_of(part: Part, *, quick: bool) -> list[str]:
    """Its arguments; in a quick run other numbers."""
    if not quick:
        return [*part.arguments[1:]]
    return [*(each for each in part.arguments[1:] if not FULL.match(each)), *part.quick]


def reason(text: str) -> str:
    """The last line of what a process said, without paths of this machine."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return re.sub(r"(?:/[\w.+-]+)+/", "", lines[-1])[:200] if lines else "it ended without a word"


def out_of_time(part: Part, *, minutes: float, quick: bool) -> Record:
    """No result: those before it took too long."""
    return Record(
        part=part.name,
        command=part.command,
        began=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        seconds=0,
        quick=quick,
        failed=f"the {minutes:g} minutes of the run were over",
        results=Results(()),
    )


def measure(part: Part, *, quick: bool) -> Record:
    """Run one part."""
    began = datetime.now(UTC)
    steady = time.perf_counter()
    failed = None
    environment = {**os.environ, **(part.quick_environment if quick else {})}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.json"
        program = ROOT / "bench" / f"{part.arguments[0]}.py"
        command = [sys.executable, str(program), *arguments_of(part, quick=quick), "--json", str(file)]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                _, errors = process.communicate(timeout=LIMIT_SECONDS)
                if process.returncode:
                    failed = reason(errors)
            except subprocess.TimeoutExpired:
                failed = f"it took longer than {LIMIT_SECONDS} s"
                stop(process)
        results = msgspec.json.decode(file.read_bytes(), type=Results) if file.exists() else Results(())
    if failed is None and not results.tables:
        failed = "it measured nothing"
    taken = time.perf_counter() - steady
    return Record(
        part=part.name,
        command=part.command,
        began=f"{began:%Y-%m-%d %H:%M}",
        seconds=round(taken, 1),
        quick=quick,
        failed=failed,
        results=results,
    )


def stop(process: subprocess.Popen[str]) -> None:
    """End a process and those that it started; it may stop its servers first."""
    for number, seconds in ((signal.SIGINT, 20), (signal.SIGKILL, None)):
        os.killpg(process.pid, number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return


def write_json(path: Path, value: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds, to try the page: no figures to quote")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="begin no part after so many")
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    asked = parser.parse_args()
    began = time.perf_counter()
    run = describe(quick=asked.quick)
    RESULTS.mkdir(exist_ok=True)
    write_json(RUN, run)
    failures = 0
    for name in asked.only or PARTS:
        print(f"# {name}: {PARTS[name].command}", flush=True)
        if time.perf_counter() - began < 60 * asked.minutes:
            record = measure(PARTS[name], quick=asked.quick)
        else:
            record = out_of_time(PARTS[name], minutes=asked.minutes, quick=asked.quick)
        failures += record.failed is not None
        print(f"# {name}: {record.failed or 'measured'}, {record.seconds:.0f} s\n", flush=True)
        write_json(RESULTS / f"{name}.json", record)
    write_page()
    print(f"wrote docs/benchmarks.md; {failures} not measured; {time.perf_counter() - began:.0f} s")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
