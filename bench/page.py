"""Makes docs/benchmarks.md, and the README's table of figures, from the files in `bench/results` alone.

`scripts/bench all` measures and calls this; `scripts/docs` writes the page anew without measuring anything. A figure that is
not in the files is not on the page, and what failed stands there with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import floor, log10
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import msgspec

from bench.parts import PARTS, SECTIONS, Part
from bench.report import Results, Row, Spread, Table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
RUN = RESULTS / "run.json"
PAGE = ROOT / "docs" / "benchmarks.md"
NOT_MEASURED = "not measured"
QUICK = """> **Quick figures.** Some or all were taken with a few rounds, on a machine with other work: they show the shape of this
> page, and nothing else. `scripts/bench all` takes the real ones."""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of `bench/results`: one part of a run."""

    part: str
    command: str
    began: str
    """UTC."""
    seconds: float
    quick: bool
    failed: str | None
    results: Results


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`run.json`: what the last run was made with."""

    began: str
    quick: bool
    machine: dict[str, str]
    versions: dict[str, str]


class Figures(NamedTuple):
    """All that is in `bench/results`."""

    run: Run
    records: dict[str, Record]

    def tables(self) -> Iterator[Table]:
        for name in PARTS:
            if name in self.records:
                yield from self.records[name].results.tables

    def row(self, table: str, row: str) -> Row | None:
        """The row of that name or, if none has it whole, the first that begins so."""
        for one in self.tables():
            if one.name == table:
                whole = [each for each in one.rows if each.name == row]
                return next(iter(whole or [each for each in one.rows if each.name.startswith(row)]), None)
        return None

    def ratio(self, table: str, row: str) -> str:
        found = self.row(table, row)
        return digits(found.ratio.median) if found and found.ratio else NOT_MEASURED

    def value(self, table: str, row: str) -> str:
        found = self.row(table, row)
        return digits(found.values.median) if found else NOT_MEASURED


def read_figures() -> Figures:
    """Read all files."""
    records = {
        name: msgspec.json.decode((RESULTS / f"{name}.json").read_bytes(), type=Record)
        for name in PARTS
        if (RESULTS / f"{name}.json").exists()
    }
    return Figures(msgspec.json.decode(RUN.read_bytes(), type=Run), records)


# words and tables --------------------------------------------------------------------------------


def digits(value: float) -> str:
    """Three that count."""
    if value == 0 or abs(value) >= 100:  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - floor(log10(abs(value)))) if abs(value) >= 1 else 1 - floor(log10(abs(value)))}f}"


def wrapped(text: str) -> str:
    """A paragraph, in lines as the other pages have them."""
    return fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def spread(values: Spread) -> str:
    return "" if values.p10 == values.p90 else f"{digits(values.p10)} to {digits(values.p90)}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    text = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    return text.replace("| --- ", "|---").replace("|  ", "| ")


def target_of(table: Table, row: Row) -> str:
    if row.target is None or row.ratio is None:
        return ""
    return f"{'≤' if table.less_is_better else '≥'} {row.target:g}, {'met' if is_met(table, row) else 'missed'}"


def is_met(table: Table, row: Row) -> bool:
    if row.target is None or row.ratio is None:
        return True
    return row.ratio.median <= row.target if table.less_is_better else row.ratio.median >= row.target


def of_part(part: Part, figures: Figures) -> str:
    """A part's command, its tables, and what is missing of it."""
    record = figures.records.get(part.name)
    if record is None:
        return f"`{part.command}`: {NOT_MEASURED}: there is no result of it.\n"
    lines = [f"`{record.command}`{' (quick: a few rounds, no figures to quote)' if record.quick else ''}\n"]
    if record.failed:
        what = "stopped before its end" if record.results.tables else NOT_MEASURED
        lines.append(f"**{what[0].upper()}{what[1:]}:** {record.failed}\n")
    lines += [f"{NOT_MEASURED[0].upper()}{NOT_MEASURED[1:]}: {words}.\n" for words in record.results.left_out]
    lines += [of_tables(list(same)) for _, same in groupby(record.results.tables, key=shape)]
    return "\n".join(lines)


def shape(table: Table) -> tuple[str, bool, bool]:
    return table.unit, table.less_is_better, any(row.ratio for row in table.rows)


def of_tables(tables: Sequence[Table]) -> str:
    """Tables of one unit, as one."""
    unit, less_is_better, compared = shape(tables[0])
    has_targets = any(row.target for table in tables for row in table.rows)
    has_spread = any(spread(row.values) for table in tables for row in table.rows)
    rounds = sorted({table.rounds for table in tables})
    head = [f"median of {' or '.join(map(str, rounds))}" if has_spread else "", "", unit if unit != "see row" else ""]
    if not less_is_better:
        head[2] += ", more is better"
    head += ["p10 to p90"] * has_spread + ["x first row"] * compared + ["target"] * has_targets
    rows = []
    for table in tables:
        for at, row in enumerate(table.rows):
            cells = ["" if at else table.title, row.name, digits(row.values.median)]
            cells += [spread(row.values)] * has_spread
            cells += [digits(row.ratio.median) if row.ratio else ""] * compared
            rows.append(cells + [target_of(table, row)] * has_targets)
    return markdown(head, rows)


# the page ----------------------------------------------------------------------------------------


def behind(figures: Figures) -> Iterator[tuple[str, str, str, str]]:
    """Each peer that was faster than ours in this run: table, peer, its value, ours."""
    for table in figures.tables():
        own = next((row for row in table.rows[1:] if row.name.startswith("Sealring")), None)
        if own is None:
            continue
        for row in table.rows[1:]:
            if row.name.startswith(("Sealring", "floor", "composed path")):
                continue
            one, other = row.values.median, own.values.median
            if (one < other) if table.less_is_better else (one > other):
                yield table.title, row.name, f"{digits(one)} {table.unit}", digits(other)


def where_we_lose(figures: Figures) -> str:
    missed = [
        (table.title, row.name, digits(row.ratio.median), f"{'≤' if table.less_is_better else '≥'} {row.target:g}")
        for table in figures.tables()
        for row in table.rows
        if row.ratio and not is_met(table, row)
    ]
    lines = ["Targets that this run missed, every one of them:\n"]
    lines.append(markdown(("what", "contender", "x first row", "target"), missed) if missed else "none.\n")
    ahead = list(behind(figures))
    lines.append("Peers that were faster than Sealring in this run, every one of them:\n")
    lines.append(markdown(("what", "peer", "peer", "Sealring"), ahead) if ahead else "none.\n")
    lines.append(
        f"""Why, with the ratios of this run:

- **Signing with HS256** takes {figures.ratio("sign-HS256", "Sealring sign")} times the bare HMAC. Every claim is checked before
  it is written: a date, a set or NaN would silently become something else. That costs more than the HMAC leaves.
- **Verifying RS256** takes {figures.ratio("verify-RS256", "Sealring Verifier")} times the bare call, which is so short that three
  microseconds of ours are more than its share. [Each step](#each-step-of-a-token) is listed.
- **A guard of FastAPI** is a dependency, and FastAPI takes more for an empty one than our check costs
  ({figures.ratio("web-fastapi-dependency-fastapi-open", "with")} of the open route's requests are left with an empty one,
  {figures.ratio("web-fastapi-guarded-fastapi-open", "with")} with our guard). `protect=` of the middleware avoids it.
- **Starlette's own `AuthenticationMiddleware`** makes objects for each request before anybody is asked; our middleware with
  the same `@requires` is the faster way.
- **A bare ASGI application** does so little that a check of three microseconds is seen.
- **The demo's orders** are read from SQLite in a thread, for the open route and for the guarded one: its figures show how
  little the check is beside one query.
- **A million revocations and more** stand in a packed set, which a request asks by `in`: one call of Python more than a
  plain set inline, {figures.value("ask-1000000", "Sealring: not revoked")} µs in place of
  {figures.value("ask-10000", "Sealring: not revoked")} at ten thousand. It saves most of the memory.
- **A flood of logins** takes processor time where there is no core to spare: hashes have threads of their own and give
  way, but two cores that hash all the time verify less ({figures.ratio("login-flood-memory", "under 10")} of what as many arrivals
  without a hash leave).
- **A refresh with one caller** pays for the hand-over to the database and the commit on disk alone
  ({figures.ratio("refresh-sqlite-1-caller", "Sealring")} times a signature on SQLite); callers at the same time share both
  ({figures.ratio("refresh-sqlite-32-callers", "Sealring")} times with 32).
- **Node's peers** run on V8, which compiles what Python interprets.
"""
    )
    return "\n".join(lines)


def page(figures: Figures) -> str:
    """The whole page."""
    run = figures.run
    minutes = f"{sum(record.seconds for record in figures.records.values()) / 60:.0f} minutes"
    parts = [
        "# Benchmarks\n",
        wrapped(
            "For those who compare, who plan, or who doubt a figure. At its end you know what each thing costs here and beside "
            "its usual alternatives, where Sealring loses, and the command that repeats each table on your machine."
        ),
    ]
    if run.quick or any(record.quick for record in figures.records.values()):
        parts.append(f"{QUICK}\n")
    parts.append(
        wrapped(
            "`scripts/bench all` runs everything (a quarter of an hour, on a machine where nothing else runs) and writes this page "
            "from the files in `bench/results`, which hold the same figures as JSON. The peers are those of `uv.lock` and of "
            f"`bench/jwt.py`. The last run began on {run.began} UTC; all parts took {minutes}."
        )
    )
    parts.append("## Machine and versions\n")
    parts.append(markdown(("", ""), list(run.machine.items())))
    parts.append(wrapped(", ".join(f"{name} {version}" for name, version in run.versions.items()) + "."))
    parts.append(
        """## How to read it

- **Compare ratios, not microseconds.** Your machine is another one. `x first row` is a ratio that was taken within each round,
  where the contenders take turns; the table gives the median of the rounds.
- **p10 to p90** is the spread of the rounds. Two rows whose spreads overlap are equal for all that this run can tell.
- **The first row** is a floor or the same thing without a check: what no design can avoid.
- **CPU µs** count all threads of the process; **µs** and **ms** elsewhere are what the caller waits.
- **A slower peer may do less, and a faster one too**: no library beside Sealring in these tables refuses the token of a session
  that was ended, without a look-up that you add. [What each figure means](explanation/figures.md) says more.

## Where Sealring loses, and why
"""
    )
    parts.append(where_we_lose(figures))
    for section in SECTIONS:
        parts.append(f"## {section.title}\n\n{wrapped(section.words)}")
        parts += [of_part(part, figures) for part in section.parts]
    parts.append(
        """## What is not measured here

- A network: nodes, databases and clients share one machine. A real one adds its way to each look-up above, and nothing to a
  check in memory.
- More cores than the machine has: servers and those who ask them share these.
- TLS, proxies, browsers, and work that a route does.
- Other Pythons than the one above, and free-threaded ones.
"""
    )
    return "\n".join(parts)


# the table of the README -------------------------------------------------------------------------


def readme_figures() -> str:
    """The table of figures of the README."""
    figures = read_figures()

    def with_unit(table: str, row: str, unit: str) -> str:
        value = figures.value(table, row)
        return value if value == NOT_MEASURED else f"{value} {unit}"

    def micros(table: str, row: str) -> str:
        return with_unit(table, row, "µs")

    def kept(table: str) -> str:
        found = figures.row(table, "with")
        return f"{found.ratio.median:.0%}" if found and found.ratio else NOT_MEASURED

    rows = [
        (
            "check a token that was seen before",
            micros("cached-ES256", "Sealring Verifier, projected"),
            f"fast-jwt {micros('cached-ES256', 'fast-jwt')}",
            "cached",
        ),
        (
            "check a new token, HS256",
            micros("verify-HS256", "Sealring Verifier"),
            f"PyJWT {micros('verify-HS256', 'PyJWT')}, joserfc {micros('verify-HS256', 'joserfc')}, "
            f"fast-jwt {micros('verify-HS256', 'fast-jwt')}",
            "verify",
        ),
        (
            "check a new token, ES256",
            micros("verify-ES256", "Sealring Verifier"),
            f"bare signature {micros('verify-ES256', 'floor')}, PyJWT {micros('verify-ES256', 'PyJWT')}",
            "verify",
        ),
        (
            "check a token that may be revoked",
            micros("alternatives-wait", "Sealring"),
            f"a look-up in Redis {micros('alternatives-wait', 'opaque session in Redis')}, "
            f"introspection {micros('alternatives-wait', 'introspection')}",
            "alternatives",
        ),
        (
            "ask ten million revocations about a session",
            f"{micros('ask-10000000', 'Sealring: not revoked')}, "
            f"{with_unit('hold-10000000', 'memory, bytes', 'bytes each')}",
            "",
            "view",
        ),
        (
            "from a logout to its refusal on three nodes",
            with_unit("force-notify", "acknowledged", "ms"),
            f"by polling alone {with_unit('force-polling', 'acknowledged', 'ms')}; a token without revocation: 30 min",
            "force",
        ),
        (
            "requests that a guarded FastAPI route keeps",
            kept("web-fastapi-guarded-fastapi-dependency"),
            "a route with an empty dependency: 100%",
            "web",
        ),
        (
            "logins a second, Argon2id, SQLite",
            figures.value("login-sqlite", "Sealring"),
            f"bare Argon2id: {figures.value('login-sqlite', 'floor')}",
            "login",
        ),
    ]
    table = markdown(
        ("figure", "Sealring", "for comparison", "command"),
        [(*cells, f"`{PARTS[part].command}`") for *cells, part in rows],
    )
    mark = "**Quick figures, to try the page.** " if figures.run.quick else ""
    where = f"{figures.run.machine['CPU']}, {figures.run.machine['cores']} cores, {figures.run.machine['Python']}"
    return (
        f"{table}\n{mark}Medians on one machine ({where}), {figures.run.began[:10]}. Ratios hold on other machines; digits do not. "
        "[The benchmark page](docs/benchmarks.md) has all of them, and where Sealring loses.\n"
    )


def write_page() -> None:
    """Write docs/benchmarks.md from what is in `bench/results`."""
    text = page(read_figures())
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        PAGE.write_text(text, encoding="utf-8")
        print("wrote docs/benchmarks.md")


if __name__ == "__main__":
    write_page()
