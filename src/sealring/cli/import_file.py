"""Users in a file: JSON lines, or CSV with a header. One line, one user; a line that cannot be read says why.

Unknown members and columns are errors: a misspelled `emial` would be lost silently.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sealring.accounts.imported import ImportedUser
from sealring.errors import InvalidField

MAX_LINE_CHARS = 65_536
"""Of one user: an account with every scope that a token can carry takes a tenth."""

_TEXTS = ("username", "password_hash", "id", "email")
_FLAGS = ("email_verified", "disabled")
MEMBERS = (*_TEXTS, *_FLAGS, "scopes")
_TRUE, _FALSE = frozenset({"true", "t", "1"}), frozenset({"false", "f", "0", ""})


@dataclass(frozen=True, slots=True)
class UserLine:
    """One line of the file, and what it says."""

    number: int
    user: ImportedUser | InvalidField


def read_lines(text: Iterable[str]) -> Iterator[UserLine]:
    """Read a file; it is CSV unless its first line begins with a brace.

    Raises:
        InvalidField: the header of a CSV file is not as needed.
    """
    lines = iter(text)
    first = next((line for line in lines if line.strip()), "")
    everything = chain([first], lines) if first else iter(())
    return _read_json(everything) if first.lstrip().startswith("{") else _read_csv(everything)


def _read_json(lines: Iterable[str]) -> Iterator[UserLine]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield UserLine(number, _user(_json_object(line)))
        except InvalidField as error:
            yield UserLine(number, error)


def _json_object(line: str) -> dict[str, Any]:
    _check_length(line)
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidField("line", "must be one JSON object") from None
    if not isinstance(read, dict):
        raise InvalidField("line", "must be one JSON object")
    return read


def _read_csv(lines: Iterable[str]) -> Iterator[UserLine]:
    rows = csv.reader(lines, strict=True)
    try:
        header = next(rows, [])
        _check_header(header)
        for row in rows:
            if row:
                yield UserLine(rows.line_num, _csv_user(header, row))
    except csv.Error as error:
        yield UserLine(rows.line_num, InvalidField("line", f"must be CSV: {error}"))


def _check_header(header: list[str]) -> None:
    for name in header:
        if name not in MEMBERS:
            raise InvalidField("header", f"unknown column {name[:64]!r}; the columns are {', '.join(MEMBERS)}")
    if "username" not in header or len(set(header)) < len(header):
        raise InvalidField("header", "must name each column once, username among them")


def _csv_user(header: list[str], row: list[str]) -> ImportedUser | InvalidField:
    if len(row) != len(header):
        return InvalidField("line", f"must have {len(header)} columns, not {len(row)}")
    try:
        _check_length("".join(row))
        given: dict[str, Any] = dict(zip(header, row, strict=True))
        for name in _FLAGS:
            if name in given:
                given[name] = _flag(name, given[name])
        return _user({name: value for name, value in given.items() if value != ""})
    except InvalidField as error:
        return error


def _flag(name: str, text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise InvalidField(name, "must be true or false")
    return word in _TRUE


def _user(given: Mapping[str, Any]) -> ImportedUser:
    for name in given:
        if name not in MEMBERS:
            raise InvalidField(name[:64], f"unknown; the members are {', '.join(MEMBERS)}")
    for name in _TEXTS:
        if not isinstance(given.get(name), str | None):
            raise InvalidField(name, "must be text")
    for name in _FLAGS:
        if not isinstance(given.get(name, False), bool):
            raise InvalidField(name, "must be true or false")
    if given.get("username") is None:
        raise InvalidField("username", "field required")
    scopes = given.get("scopes") or ()
    if isinstance(scopes, str):
        scopes = scopes.split()
    if not isinstance(scopes, list | tuple) or not all(isinstance(scope, str) for scope in scopes):
        raise InvalidField("scopes", "must be a list of text, or text with spaces between the scopes")
    return ImportedUser(**{**given, "scopes": tuple(scopes)})


def _check_length(line: str) -> None:
    if len(line) > MAX_LINE_CHARS:
        raise InvalidField("line", f"must have at most {MAX_LINE_CHARS:,} characters")
