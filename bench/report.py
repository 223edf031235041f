"""The one shape of a benchmark's result: what every file here writes with `--json FILE`, and the page is made from.

A `Table` compares contenders that took turns: one value for each of them in each round. `Table.of` keeps the median and
the spread from p10 to p90 of each, and of its ratio to the first row, which is taken within each round: what slows a
round slows both sides of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Self

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """What the rounds gave."""

    median: float
    p10: float
    p90: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Of one value for each round; a single value has no spread."""
        cuts = quantiles(values, n=10, method="inclusive") if len(values) > 1 else values
        return cls(_rounded(median(values)), _rounded(cuts[0]), _rounded(cuts[-1]))


def _rounded(value: float) -> float:
    """More digits than five say nothing."""
    return float(f"{value:.5g}")


class Row(msgspec.Struct, frozen=True):
    """A contender: its values in the unit of the table, and its ratio to the first row."""

    name: str
    values: Spread
    ratio: Spread | None = None
    target: float | None = None
    """Of the ratio: at most where less is better, at least where more is better."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Contenders that took turns in one run."""

    name: str
    title: str
    unit: str
    less_is_better: bool = True
    rounds: int
    rows: tuple[Row, ...]

    @classmethod
    def of(
        cls,
        name: str,
        title: str,
        unit: str,
        rounds: Mapping[str, Sequence[float]],
        *,
        targets: Mapping[str, float] | None = None,
        compared: bool = True,
        less_is_better: bool = True,
    ) -> Self:
        """Make the table.

        Args:
            name: for those who look the figures up; unique among all benchmarks.
            title: for readers.
            unit: of the values.
            rounds: for each contender its value in each round; all have as many.
            targets: of ratios, by contender.
            compared: whether the rows have ratios to the first.
            less_is_better: False for rates.
        """
        first = next(iter(rounds.values()))
        rows = (
            Row(
                contender,
                Spread.of(values),
                Spread.of([one / other for one, other in zip(values, first, strict=True)]) if compared else None,
                (targets or {}).get(contender),
            )
            for contender, values in rounds.items()
        )
        return cls(
            name=name, title=title, unit=unit, less_is_better=less_is_better, rounds=len(first), rows=tuple(rows)
        )


class Results(msgspec.Struct, frozen=True):
    """What one run of a benchmark writes."""

    tables: tuple[Table, ...]
    left_out: tuple[str, ...] = ()
    """What could not be measured here, each with the reason."""


class Report:
    """The results of one run, as they come.

    Args:
        path: where they are written to; None: nowhere.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._results = Results(())

    def add(self, table: Table) -> None:
        """Add a table, and write all so far: what was measured before a failure is not lost."""
        self._results = msgspec.structs.replace(self._results, tables=(*self._results.tables, table))
        self._write()

    def leave_out(self, words: str) -> None:
        """Say what could not be measured here, and why."""
        self._results = msgspec.structs.replace(self._results, left_out=(*self._results.left_out, words))
        self._write()

    def _write(self) -> None:
        if self._path is not None:
            self._path.write_bytes(msgspec.json.encode(self._results))


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """`--json FILE`, the same for every benchmark."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file as JSON too")
