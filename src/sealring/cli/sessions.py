"""`sealring sessions …`: what the person on call needs at 3 a.m."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sealring.cli.context import with_issuer
from sealring.cli.output import as_json, print_rows, say, say_warning
from sealring.cli.prompts import TAKES_DASHES
from sealring.errors import NotFound
from sealring.sessions.grant import check_subject

if TYPE_CHECKING:
    from sealring.sealring import Sealring


@click.group()
def sessions() -> None:
    """Sessions: list, revoke, revoke-user. Every node follows within the staleness bound."""


@sessions.command("list")
@click.option("--user", "username", help="Only of this account.")
@click.option("--subject", help="Only of this subject (for applications with their own users).")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 2**31), help="How many at most.")
@as_json
def list_sessions(username: str | None, subject: str | None, limit: int, as_json: bool) -> None:
    """List live sessions, newest first."""

    async def work(auth: Sealring) -> list[dict[str, Any]]:
        whose = await subject_of(auth, username, subject)
        return [
            {
                "id": session.id,
                "subject": session.subject,
                "device": session.device,
                "address": session.address,
                "created_at": session.created_at,
                "last_seen_at": session.last_seen_at,
                "expires_at": session.expires_at,
            }
            for session in await auth.issuer.sessions.list(whose, limit=limit + 1)  # one more tells that there are more
        ]

    rows = with_issuer(work)
    print_rows(rows[:limit], json_wanted=as_json, empty="no live sessions")
    if len(rows) > limit:
        say_warning(
            f"only the newest {limit} are shown; there are more",
            "filter with --user or --subject, or raise --limit",
        )


@sessions.command(context_settings=TAKES_DASHES)
@click.argument("session_id")
def revoke(session_id: str) -> None:
    """End one session."""

    async def work(auth: Sealring) -> None:
        if not await auth.issuer.sessions.end(session_id, cause="ended_by_operator"):
            raise NotFound("no live session has this id")

    with_issuer(work)
    say(f"ended session {session_id}")


@sessions.command("revoke-user")
@click.argument("username", required=False)
@click.option("--subject", help="By subject (for applications with their own users).")
def revoke_user(username: str | None, subject: str | None) -> None:
    """End every session of a user, and refuse every access token of theirs; done, too, if there was none."""
    if (username is None) == (subject is None):
        raise click.UsageError("give a username or --subject")

    if subject is not None:
        try:
            check_subject(subject)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    async def work(auth: Sealring) -> tuple[int, bool]:
        found = await subject_of(auth, username, subject) or ""
        ended = await auth.issuer.sessions.end_subject(found, cause="ended_by_operator")
        return ended, bool(ended) or await auth.store.find_account(id=found) is not None

    number, known = with_issuer(work)
    say(f"ended {number} session{'' if number == 1 else 's'} of {username or subject}")
    if not known:  # users of an application's own have no row here, and one without a session is no mistake
        say_warning(
            "no account and no live session has this subject",
            "the revocation stands: an access token of this subject is refused; look at the spelling",
        )


async def subject_of(auth: Sealring, username: str | None, subject: str | None) -> str | None:
    """The subject that the options name.

    Raises:
        NoSuchAccount: no account has this name.
    """
    return subject if username is None else (await auth.issuer.accounts.find(username)).id
