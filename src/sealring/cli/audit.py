"""`sealring audit`: the append-only record of what happened, and why."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from sealring.audit.event import Event
from sealring.cli.context import with_issuer
from sealring.cli.output import as_json, say, say_json

if TYPE_CHECKING:
    from sealring.sealring import Sealring

PAGE = 500
FOLLOW_SECONDS = 0.5


@click.command()
@click.option("--after", type=int, default=0, help="Only lines after this number.")
@click.option("--follow", is_flag=True, help="Keep printing new lines.")
@as_json
def audit(after: int, follow: bool, as_json: bool) -> None:
    """Print the audit log, oldest first: logins, failures, reuse, revocations, changes of keys and accounts."""

    async def work(auth: Sealring) -> None:
        last = after
        while True:
            events = await auth.store.read_events(after=last, limit=PAGE)
            for event in events:
                if as_json:
                    say_json(fields_of(event), indent=None)
                else:
                    say(as_line(event))
                last = event.number
            if not events:
                if not follow:
                    return
                await asyncio.sleep(FOLLOW_SECONDS)

    with contextlib.suppress(KeyboardInterrupt) if follow else contextlib.nullcontext():  # Ctrl-C is how that ends
        with_issuer(work)


def fields_of(event: Event) -> dict[str, Any]:
    """One event as JSON has it."""
    at = datetime.fromtimestamp(event.at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "number": event.number,
        "at": at,
        "kind": event.kind,
        "subject": event.subject,
        "session": event.session,
        "address": event.address,
        "cause": event.cause,
        **({"detail": dict(event.detail)} if event.detail else {}),
    }


def as_line(event: Event) -> str:
    """One event on one line."""
    number, at, kind, *rest = fields_of(event).items()
    words = " ".join(f"{name}={value}" for name, value in rest if value)
    return f"{number[1]:>8} {at[1]} {kind[1]:<16} {words}"
