"""The benchmark page says what the files in `bench/results` say, and each command on it exists."""

from __future__ import annotations

import re

import msgspec
import pytest

from bench.page import PAGE, RESULTS, RUN, Figures, Record, Run, digits, page, read_figures, readme_figures
from bench.parts import PARTS, SECTIONS
from bench.report import Results, Table
from scripts.pages import ROOT

COMMANDS = sorted(set(re.findall(r"scripts/bench [^`\n]+", PAGE.read_text(encoding="utf-8"))))
BENCHMARKS = {
    path.stem for path in ROOT.glob("bench/*.py") if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
}


def with_record(name: str, record: Record | None) -> Figures:
    figures = read_figures()
    others = {each: one for each, one in figures.records.items() if each != name}
    return figures._replace(records=others if record is None else {**others, name: record})


def a_record(*tables: Table, failed: str | None = None, left_out: tuple[str, ...] = ()) -> Record:
    return Record(
        part="sign",
        command=PARTS["sign"].command,
        began="2026-01-01 00:00",
        seconds=1,
        quick=False,
        failed=failed,
        results=Results(tables, left_out),
    )


def test_the_page_is_what_its_results_say() -> None:
    assert page(read_figures()) == PAGE.read_text(encoding="utf-8"), "run scripts/docs"


def test_every_result_is_one_of_a_part_and_every_part_has_one() -> None:
    assert {path.stem for path in RESULTS.glob("*.json")} == {*PARTS, RUN.stem}
    for name, record in read_figures().records.items():
        assert record.part == name
        assert record.command == PARTS[name].command
        assert record.failed or record.results.tables


def test_a_table_has_one_name() -> None:
    names = [table.name for table in read_figures().tables()]
    assert len(names) == len(set(names))


def test_a_row_is_found_by_its_whole_name_before_its_beginning() -> None:
    row = read_figures().row("web-fastapi-guarded-fastapi-open", "with")
    assert row is not None
    assert row.name == "with", "and not `without`"


def test_every_row_of_the_readme_is_one_of_a_result() -> None:
    failed = [record for record in read_figures().records.values() if record.failed or record.results.left_out]
    assert failed or "not measured" not in readme_figures()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_exists(command: str) -> None:
    _, name, *arguments = command.split()
    assert name in BENCHMARKS
    source = (ROOT / "bench" / f"{name}.py").read_text(encoding="utf-8")
    for word in arguments:
        assert re.fullmatch(r"[\d.]+", word) or f'"{word}"' in source, word


def test_every_benchmark_has_a_part() -> None:
    assert {part.arguments[0] for part in PARTS.values()} == BENCHMARKS - {"all", "page"}
    assert len(PARTS) == sum(len(section.parts) for section in SECTIONS)


def test_no_result_names_a_path_or_a_host() -> None:
    for path in [*RESULTS.glob("*.json"), PAGE]:
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"(?<![\w./`])/(?:root|home|tmp|usr|work|var|opt|etc)\b", text), path.name


def test_what_failed_is_said_with_its_reason_and_nothing_of_it_is_made_up() -> None:
    text = page(with_record("sign", a_record(failed="no space left")))
    assert "`scripts/bench jwt --only sign`\n\n**Not measured:** no space left\n" in text
    assert "takes not measured times the bare HMAC" in text


def test_what_was_measured_before_a_failure_stands_beside_it() -> None:
    table = Table.of("sign-HS256", "HS256, signing", "µs", {"floor": [1.0, 3.0], "Sealring sign": [2.0, 6.0]})
    text = page(with_record("sign", a_record(table, failed="no space left")))
    assert "**Stopped before its end:** no space left" in text
    assert "| | Sealring sign | 4.00 | 2.40 to 5.60 | 2.00 |" in text


def test_a_part_without_a_result_and_what_was_left_out_are_said() -> None:
    assert f"`{PARTS['sign'].command}`: not measured" in page(with_record("sign", None))
    assert "Not measured: Redis: it is missing." in page(
        with_record("sign", a_record(left_out=("Redis: it is missing",)))
    )


def test_missed_targets_and_faster_peers_are_listed() -> None:
    table = Table.of(
        "sign-HS256",
        "a test",
        "µs",
        {"floor": [1.0], "Sealring sign": [3.0], "a peer": [2.0]},
        targets={"Sealring sign": 2.0},
    )
    text = page(with_record("sign", a_record(table)))
    assert "| a test | Sealring sign | 3.00 | ≤ 2 |" in text
    assert "| a test | a peer | 2.00 µs | 3.00 |" in text
    better = msgspec.structs.replace(table, less_is_better=False)
    text = page(with_record("sign", a_record(better)))
    assert "| a test | Sealring sign | 3.00 | ≥ 2 |" not in text
    assert "| a test | a peer |" not in text


def test_quick_figures_are_marked_on_the_page_and_in_the_readme() -> None:
    run = msgspec.json.decode(RUN.read_bytes(), type=Run)
    quick = read_figures()._replace(run=msgspec.structs.replace(run, quick=True))
    assert "> **Quick figures.**" in page(quick)
    if run.quick:
        assert "Quick figures" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_ratio_is_taken_within_its_round() -> None:
    """Rounds in which all are twice as slow change no ratio."""
    table = Table.of("a", "a", "µs", {"floor": [1.0, 2.0, 4.0], "other": [3.0, 6.0, 12.0]})
    (first, second) = table.rows
    assert second.ratio
    assert first.ratio
    assert (second.ratio.p10, second.ratio.median, second.ratio.p90) == (3, 3, 3)
    assert (second.values.p10, second.values.median, second.values.p90) == (3.6, 6, 10.8)
    assert first.ratio.median == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.00123, "0.0012"),
        (0.46, "0.46"),
        (3.707, "3.71"),
        (43.14, "43.1"),
        (336.8, "337"),
        (12815, "12,815"),
    ],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert digits(value) == text
