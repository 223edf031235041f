"""A storm of writes that somebody will kill, and the check of what must be found afterwards (I6).

A store's acknowledgement is written to a pipe, one line each, before the next step is taken; a line is shorter than
what a pipe writes at once. Whoever reads the pipe knows every promise that was made. A storm that is recorded instead
of killed ends by itself after so many promises, and may be told to break them (tests/attacks/test_power_cut.py).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import random
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from sealring.errors import Unavailable
from sealring.sessions.revocation import EndSession, EndSubject
from sealring.sessions.session import Session
from sealring.store import open_store
from sealring.store.postgres.connection import Connection
from sealring.store.protocol import Store
from sealring.store.revocation_log import digest_of
from sealring.store.sqlite import file, group_commit
from sealring.testing.store_contract.samples import NOW, a_session, an_account, an_event

CALLERS = 8


class EnoughError(Exception):
    """So many promises were made as were asked for."""


counter = itertools.count(1)
enough = math.inf


def promise(kind: str, **facts: Any) -> None:
    os.write(1, (json.dumps({"kind": kind, **facts}) + "\n").encode())
    if next(counter) >= enough:
        raise EnoughError


async def rage(store: Store) -> None:
    """Log in, refresh, log out, end all, for ever, with every promise on standard output."""
    async with asyncio.TaskGroup() as calls:
        for _ in range(CALLERS):
            calls.create_task(_call(store, random.Random()))  # noqa: S311 - no secret


async def _call(store: Store, dice: random.Random) -> None:
    while True:
        try:
            await _one_life(store, dice)
        except Unavailable:
            await asyncio.sleep(0.01)


async def _one_life(store: Store, dice: random.Random) -> None:
    account = an_account()
    account = replace(account, canonical_name=account.id)
    await store.create_account(account, an_event("account_created", subject=account.id))
    promise("account", id=account.id)
    session = a_session(account.id)
    await store.start_session(session, an_event(subject=account.id), guard=None, cap=5, replaces=None)
    promise("session", id=session.id)
    for _ in range(dice.randrange(6)):
        after = replace(session, generation=session.generation + 1, minted_ms=session.minted_ms + 1)
        if await store.advance_session(session, after):
            promise("generation", id=session.id, generation=after.generation)
        session = after
    if dice.random() < 0.5:
        end: EndSession | EndSubject = EndSession(id=session.id, cause="logout")
    else:
        end = EndSubject(subject=account.id, cause="ended_by_user")
    entries = (await store.revoke(end, an_event("session_ended"), now=NOW)).entries
    promise("ended", id=session.id, entries=[entry.number for entry in entries])


async def check_whole(store: Store) -> None:
    """Whatever was promised: nothing in the store is half done."""
    page = await store.load_feed(0)
    assert page.complete
    assert [entry.number for entry in page.entries] == list(range(1, page.head + 1))
    assert page.digest == digest_of(page.entries)
    events = await store.read_events(limit=10**9)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    kinds = [event.kind for event in events]
    assert kinds.count("session_ended") == len(page.entries)
    accounts = await store.list_accounts(limit=10**9)
    assert kinds.count("account_created") == len(accounts)
    raised = {entry.target for entry in page.entries if entry.kind == "subject"}
    assert {account.id for account in accounts if account.epoch} == raised
    sessions = [event.subject for event in events if event.kind == "login"]
    assert len(sessions) == len(set(sessions))


async def check_promises(store: Store, promises: list[dict[str, Any]]) -> None:
    """Every promise holds."""
    numbers = {entry.number for entry in (await store.load_feed(None)).entries}
    generations: dict[str, int] = {}
    for made in promises:
        match made["kind"]:
            case "account":
                assert await store.find_account(id=made["id"]), f"account {made['id']} was promised"
            case "session":
                generations.setdefault(made["id"], 0)
            case "generation":
                generations[made["id"]] = max(generations[made["id"]], made["generation"])
            case "ended":
                assert set(made["entries"]) <= numbers, f"each of {made['entries']} was promised"
                assert (await _row(store, made["id"])).ended_at, f"the end of {made['id']} was promised"
    for sid, generation in generations.items():
        assert (await _row(store, sid)).generation >= generation, f"generation {generation} of {sid} was promised"


async def _row(store: Store, sid: str) -> Session:
    record = await store.read_session(sid)
    assert record is not None, f"session {sid} was promised"
    return record.session


def set_on_every_connection(script: str) -> None:
    """Have the store's connections run this after their own settings."""

    def connect(path: Path) -> sqlite3.Connection:
        db = file.connect(path)
        db.executescript(script)
        return db

    settings = Connection.configure

    async def configure(self: Connection, schema: str | None) -> None:
        await settings(self, schema)
        await self.execute(script.encode())

    group_commit.connect = connect  # type: ignore[attr-defined] # what it imported
    Connection.configure = configure  # type: ignore[method-assign]


async def main(url: str) -> None:
    """What the process that is to be killed does."""
    store = open_store(url)
    await store.open()
    try:
        promise("open")
        await rage(store)
    except* EnoughError:
        await store.close()


if __name__ == "__main__":
    match sys.argv[2:]:
        case [limit, script]:
            enough = int(limit)
            set_on_every_connection(script)
    asyncio.run(main(sys.argv[1]))
