"""`sealring users import`: users of another system, with the password hashes that they have.

The whole file is checked before the first account is written. Then each account is one transaction, and one that is
there already is left as it is: a run that was interrupted is simply repeated, and no password that was changed
meanwhile is set back.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sealring.accounts.account import Account
from sealring.accounts.foreign_hash import Bcrypt, read_foreign
from sealring.accounts.imported import ImportedUser, draft_imported
from sealring.accounts.names import canonical_name
from sealring.cli.context import with_issuer
from sealring.cli.import_file import read_lines
from sealring.cli.output import one_line, say, say_error, say_lines, say_warning
from sealring.errors import AccountRefused, InvalidField, NoSuchAccount

if TYPE_CHECKING:
    from sealring.issuer.accounts import Accounts
    from sealring.sealring import Sealring

AT_ONCE = 100
"""Accounts whose transactions a store may commit together."""
STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One line that can be imported, as far as the file says."""

    number: int
    user: ImportedUser
    needs_bcrypt: bool


@dataclass(frozen=True, slots=True)
class WrongLine:
    """One line that cannot, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What a run came to."""

    imported: int
    present: int
    wrong: Sequence[WrongLine]


def import_file(file: Path, *, check: bool, skip_invalid: bool) -> int:
    """Carry the command out; returns its exit code."""
    rows, wrong = read_file(file)

    async def work(auth: Sealring) -> ImportResult:
        return await bring_in(auth.issuer.accounts, rows, wrong, check=check, skip_invalid=skip_invalid)

    result = with_issuer(work)
    for line in sorted(result.wrong, key=lambda line: line.number):
        say_lines(one_line(f"line {line.number}: {line.reason}"))
    if result.wrong and not result.imported and not skip_invalid:
        return say_error(
            f"{count(len(result.wrong), 'line')} cannot be imported; nothing was written",
            "correct them, or leave them out with --skip-invalid",
            1,
        )
    _warn_of_missing_package(rows)
    done = "can be imported" if check else "imported"
    say(f"{count(result.imported, 'account')} {done}, {result.present} there already")
    return 1 if result.wrong else 0


def _warn_of_missing_package(rows: Sequence[ImportRow]) -> None:
    affected = sum(row.needs_bcrypt for row in rows)
    if affected:
        try:
            import bcrypt  # noqa: F401, PLC0415 - whether it is there
        except ModuleNotFoundError:
            say_warning(
                f"{count(affected, 'account')} cannot log in without the package bcrypt",
                "pip install 'sealring[bcrypt]'",
            )


def read_file(file: Path) -> tuple[list[ImportRow], list[WrongLine]]:
    """Read all lines and check all that can be checked without the store."""
    rows: list[ImportRow] = []
    wrong: list[WrongLine] = []
    first_use: dict[tuple[str, str], int] = {}
    try:
        with nullcontext(sys.stdin) if file == STDIN else file.open(encoding="utf-8-sig", newline="") as text:
            for line in read_lines(text):
                try:
                    if isinstance(line.user, InvalidField):
                        raise line.user
                    account = draft_imported(line.user, fresh_id="unknown", now=0)
                    _check_first(first_use, account, line.user.id, line.number)
                except InvalidField as error:
                    wrong.append(WrongLine(line.number, str(error)))
                else:
                    rows.append(
                        ImportRow(line.number, line.user, isinstance(read_foreign(account.password_hash or ""), Bcrypt))
                    )
    except InvalidField as error:  # of the header
        raise click.ClickException(str(error)) from None
    except UnicodeDecodeError:
        raise click.ClickException("the file must be text in UTF-8") from None
    return rows, wrong


def _check_first(first_use: dict[tuple[str, str], int], account: Account, given_id: str | None, number: int) -> None:
    """No earlier line has the name, the id or the verified address."""
    unique = (
        ("username", account.canonical_name),
        ("id", given_id),
        ("email", account.canonical_email if account.email_verified else None),
    )
    for field, value in unique:
        if value is not None and (earlier := first_use.setdefault((field, value), number)) != number:
            raise InvalidField(field, f"is that of line {earlier}")


async def bring_in(
    accounts: Accounts, rows: Sequence[ImportRow], wrong: list[WrongLine], *, check: bool, skip_invalid: bool
) -> ImportResult:
    """Look all rows up, then write those that are new, unless a line is wrong."""
    misfits = {row.number: fault for row in rows if (fault := too_many_scopes(accounts, row))}
    wrong += misfits.values()
    new: list[ImportRow] = []
    present = 0
    for some in batches(row for row in rows if row.number not in misfits):
        for row, found in zip(some, await asyncio.gather(*(look_up(accounts, row) for row in some)), strict=True):
            if isinstance(found, WrongLine):
                wrong.append(found)
            elif found:
                present += 1
            else:
                new.append(row)
    if check or (wrong and not skip_invalid):
        return ImportResult(len(new) if check else 0, present, wrong)
    imported = 0
    for some in batches(new):
        refused = [found for found in await asyncio.gather(*(write(accounts, row) for row in some)) if found]
        wrong += refused
        imported += len(some) - len(refused)
    return ImportResult(imported, present, wrong)


def too_many_scopes(accounts: Accounts, row: ImportRow) -> WrongLine | None:
    """What is wrong where this user could not log in with these scopes."""
    try:
        accounts.check_imported(row.user)
    except InvalidField as error:
        return WrongLine(row.number, str(error))
    return None


async def look_up(accounts: Accounts, row: ImportRow) -> bool | WrongLine:
    """Whether this user is there already; what is wrong where the name or the id is somebody else's."""
    named, known = await _found(accounts.find(row.user.username)), None
    if row.user.id is not None:
        known = await _found(accounts.get(row.user.id))
        if (named or known) is None:
            return False
        if named is None or known is None or named.id != known.id:
            return WrongLine(row.number, f"{'id' if named is None else 'username'}: is another account's")
        return True
    if named is None:
        return False
    theirs, given = named.email, row.user.email
    if theirs is not None and given is not None and canonical_name(theirs) != canonical_name(given):
        return WrongLine(row.number, "username: is that of an account with another email address")
    return True


async def write(accounts: Accounts, row: ImportRow) -> WrongLine | None:
    """Write one account: whole, or not at all."""
    try:
        await accounts.import_account(row.user)
    except AccountRefused as error:  # taken meanwhile, a subject before, or a verified address of another account
        return WrongLine(row.number, str(error))
    return None


async def _found(looking: Awaitable[Account]) -> Account | None:
    try:
        return await looking
    except NoSuchAccount:
        return None


def batches(rows: Iterable[ImportRow]) -> Iterator[list[ImportRow]]:
    """The rows, some at once."""
    waiting = iter(rows)
    while some := list(islice(waiting, AT_ONCE)):
        yield some


def count(number: int, word: str) -> str:
    """A number of things, in words.

    >>> count(1, "line"), count(2, "line")
    ('1 line', '2 lines')
    """
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
