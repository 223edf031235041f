"""`sealring audit`: the append-only record of what happened, and why."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from sealring.cli.output import as_json, one_line
from sealring.cli.workplace import with_issuer
from sealring.store.records import Event

if TYPE_CHECKING:
    from sealring.assembly import Sealring

PAGE = 500
FOLLOW_SECONDS = 0.5


@click.command()
@click.option("--after", type=int, default=0, help="Only lines after this number.")
@click.option("--follow", is_flag=True, help="Go on printing as things happen.")
@as_json
def audit(after: int, follow: bool, as_json: bool) -> None:
    """Log-ins, failures, reuse, revocations, changes of keys and accounts: oldest first."""

    async def work(auth: Sealring) -> None:
        last = after
        while True:
            events = await auth.store.read_events(after=last, limit=PAGE)
            for event in events:
                click.echo(as_line(event, json_wanted=as_json))
                last = event.number
            if not events:
                if not follow:
                    return
                await asyncio.sleep(FOLLOW_SECONDS)

    with contextlib.suppress(KeyboardInterrupt) if follow else contextlib.nullcontext():  # Ctrl-C is how that ends
        with_issuer(work)


def as_line(event: Event, *, json_wanted: bool) -> str:
    """One event on one line."""
    at = datetime.fromtimestamp(event.at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {
        "subject": event.subject,
        "session": event.session,
        "address": event.address,
        "cause": event.cause,
        **({"detail": dict(event.detail)} if event.detail else {}),
    }
    if json_wanted:
        return json.dumps({"number": event.number, "at": at, "kind": event.kind, **fields}, ensure_ascii=False)
    words = " ".join(f"{name}={value}" for name, value in fields.items() if value)
    return one_line(f"{event.number:>8} {at} {event.kind:<16} {words}")
