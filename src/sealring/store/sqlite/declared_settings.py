"""Settings of processes in SQLite: see `Store.declare_settings`. Runs inside the writer's transaction."""

from __future__ import annotations

import sqlite3

from sealring.sessions.declared_settings import DeclaredSettings, conflict_of


def declare(db: sqlite3.Connection, mine: DeclaredSettings, *, now: int, until: int) -> tuple[DeclaredSettings, ...]:
    """Renew the declaration, or make it unless one contradicts; what others have declared."""
    renewed = db.execute("UPDATE declared_settings SET until = ? WHERE process = ?", (until, mine.process)).rowcount
    rows = db.execute(
        "SELECT DISTINCT issuer, previous_issuer, audience, algorithm, cookie_name FROM declared_settings"
        " WHERE process <> ? AND until >= ?",
        (mine.process, now),
    ).fetchall()
    others = tuple(
        DeclaredSettings(
            process="", issuer=row[0], previous_issuer=row[1], audience=row[2], algorithm=row[3], cookie_name=row[4]
        )
        for row in rows
    )
    if not renewed and conflict_of(mine, others) is None:
        db.execute("DELETE FROM declared_settings WHERE until < ?", (now,))
        db.execute(
            "INSERT INTO declared_settings (process, issuer, previous_issuer, audience, algorithm, cookie_name, until)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (mine.process, mine.issuer, mine.previous_issuer, mine.audience, mine.algorithm, mine.cookie_name, until),
        )
    return others


def list_live(db: sqlite3.Connection, *, now: int) -> tuple[tuple[DeclaredSettings, int], ...]:
    """Every declaration whose time is not over, and the seconds that are left."""
    rows = db.execute(
        "SELECT process, issuer, previous_issuer, audience, algorithm, cookie_name, until FROM declared_settings"
        " WHERE until >= ? ORDER BY process",
        (now,),
    ).fetchall()
    return tuple(
        (
            DeclaredSettings(
                process=row[0],
                issuer=row[1],
                previous_issuer=row[2],
                audience=row[3],
                algorithm=row[4],
                cookie_name=row[5],
            ),
            row[6] - now,
        )
        for row in rows
    )


def withdraw(db: sqlite3.Connection, process: str) -> None:
    """Forget what that process has declared."""
    db.execute("DELETE FROM declared_settings WHERE process = ?", (process,))
