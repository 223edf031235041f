"""Writes every table of the pages that stands in the code as a table too: between two marks, from the code's rows.

A new one: a function here, a line in `TABLES`, two marks in a page, `scripts/docs`. `tests/docs/test_tables.py` fails
when a page is out of date, has an unknown mark, or no page has a table's mark.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from inspect import getdoc
from itertools import groupby
from typing import Literal, get_args, get_origin

import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry

from bench.page import readme_figures
from scripts.pages import ROOT, pages
from sealring.accounts.changes import (
    AccountChange,
    CredentialAdded,
    CredentialRemoved,
    Deletion,
    EmailChange,
    PasswordChange,
    ScopesChange,
    StatusChange,
)
from sealring.accounts.consequences import EndAll, Nothing, RaiseEpoch, consequence
from sealring.accounts.credential import Credential
from sealring.accounts.hash_notations import NOTATIONS
from sealring.audit.event import EVENTS
from sealring.authentication.method import METHODS
from sealring.http.close_codes import ENDINGS
from sealring.http.endpoint import Endpoint, Form
from sealring.http.health_routes import HEALTH, METRICS
from sealring.http.metrics import Metrics
from sealring.http.problems import ANSWERS
from sealring.http.routes import ENDPOINTS
from sealring.http.server_metadata import WELL_KNOWN
from sealring.http.well_known_routes import WELL_KNOWN_ENDPOINTS
from sealring.jwt.algorithms import ALGORITHMS
from sealring.sessions.access_token import CLAIMS
from sealring.sessions.session import END_CAUSES
from sealring.settings import SETTINGS
from sealring.settings.table import AlgorithmName
from sealring.signing_keys.lifecycle import KEY_STATES
from sealring.verifier.clock import SystemClock
from sealring.verifier.node_state import NodeState

MARKS = re.compile(r"(<!-- table (?P<name>[a-z-]+), written by scripts/docs -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    heads = list(head)
    lines = [heads, ["---"] * len(heads), *map(list, rows)]
    text = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    return text.replace("| --- ", "|---").replace("|  ", "| ")


def settings() -> str:
    """The settings, by group."""
    return "\n".join(
        f"### {group}\n\n"
        + table(
            ("name", "default", "range", "meaning"),
            (
                (f"`{row.variable}`", row.default_words or f"`{row.default}`", row.reader.bounds, row.meaning)
                for row in several
            ),
        )
        for group, several in groupby(SETTINGS.values(), key=lambda row: row.group)
    )


def code(words: Iterable[str]) -> str:
    """Words of the code, one after the other."""
    return ", ".join(f"`{word}`" for word in words)


def yes(value: object) -> str:
    """A cell of a column whose head is the question."""
    return "yes" if value else ""


def events() -> str:
    """The kinds of audit events."""
    return table(
        ("kind", "level", "meaning", "fields", "causes", "detail"),
        (
            (
                f"`{kind}`",
                row.severity,
                row.meaning,
                code(sorted(row.fields)),
                code(row.causes),
                "; ".join(f"`{name}`: {words}" for name, words in row.detail.items()),
            )
            for kind, row in EVENTS.items()
        ),
    )


def claims() -> str:
    """The claims of an access token."""
    return table(
        ("claim", "type", "in a token", "meaning", "source"),
        ((f"`{name}`", row.json_type, row.use, row.meaning, row.source) for name, row in CLAIMS.items()),
    )


def end_causes() -> str:
    """Why sessions end."""
    return table(("cause", "by"), ((f"`{cause}`", words) for cause, words in END_CAUSES.items()))


def key_states() -> str:
    """The life of a signing key."""
    return table(("state", "meaning"), ((f"`{state}`", words) for state, words in KEY_STATES.items()))


def errors() -> str:
    """What a client may get, by status and code, and the Python errors that are answered so."""
    said: dict[tuple[int, str], dict[str, list[str]]] = {}
    for kind, row in ANSWERS.items():
        said.setdefault((row.status, row.code), {}).setdefault(row.detail, []).append(f"`{kind.__name__}`")
    return table(
        ("code", "status", "when", "in Python"),
        (
            (
                f"`{code}`",
                str(status),
                "; or ".join(details),
                ", ".join(name for names in details.values() for name in names),
            )
            for (status, code), details in sorted(said.items())
        ),
    )


def routes() -> str:
    """The routes of ours, as http/routes.py has them; what each does is the first paragraph of its docstring."""
    rows = [("/auth", one) for one in ENDPOINTS] + [(WELL_KNOWN, one) for one in WELL_KNOWN_ENDPOINTS]
    rows += [("", one) for one in (*HEALTH, *METRICS)]
    return table(
        ("route", "for", "reads", "answers", "does"),
        (
            (
                f"`{one.method} {prefix}{one.path}`",
                "users" if one.caller else "anybody",
                read_by(one),
                answered_by(one),
                " ".join((getdoc(one.run) or "").partition("\n\n")[0].split()),
            )
            for prefix, one in rows
        ),
    )


def read_by(endpoint: Endpoint) -> str:
    """What an endpoint reads: the members of the body, and of the query."""
    found = []
    match endpoint.reads:
        case None:
            pass
        case Form():
            form = endpoint.reads.schema(True)  # noqa: FBT003 - with the password grant: all that it may read
            found.append(f"form: {code(form['properties'])}")
        case kind:
            found.append(f"`{members(kind)}`" + (", or nothing" if endpoint.optional else ""))
    if endpoint.query is not None:
        for one in msgspec.structs.fields(endpoint.query):
            parts = [part for part in get_args(one.type) if get_origin(part) is Literal]
            words = "|".join(value for part in parts for value in get_args(part)) or "…"
            found.append(f"`?{one.encode_name}={words}`")
    return ", ".join(found)


def answered_by(endpoint: Endpoint) -> str:
    """What a success is."""
    return ", ".join(
        f"{status} `{kind.__name__}`" if kind is not None else str(status) for status, kind in endpoint.answers.items()
    )


def members(kind: type[Struct]) -> str:
    """The members of a JSON object; `?` marks those that may be left out."""
    names = (f'"{one.encode_name}"' + ("" if one.required else "?") for one in msgspec.structs.fields(kind))
    return "{" + ", ".join(names) + "}"


def bodies() -> str:
    """The JSON objects that routes answer with."""
    found: dict[type[Struct], None] = {}
    waiting = [kind for one in (*ENDPOINTS, *HEALTH) for kind in one.answers.values() if kind is not None]
    while waiting:
        kind = waiting.pop(0)
        found[kind] = None
        types = [one.type for one in msgspec.structs.fields(kind)]
        inside = [part for one in types for part in (one, *get_args(one))]
        waiting += [
            part for part in inside if isinstance(part, type) and issubclass(part, Struct) and part not in found
        ]
    return table(("answer", "members"), ((f"`{kind.__name__}`", f"`{members(kind)}`") for kind in found))


def algorithms() -> str:
    """The algorithms of tokens."""
    return table(
        ("`alg`", "what it is", "JWK", "hash", "as `SEALRING_ALGORITHM`"),
        (
            (
                f"`{name}`",
                (getdoc(type(row)) or "").partition("\n")[0],
                ", ".join(f"`{member}={value}`" for member, value in row.kind.items()),
                digest.name.upper().replace("SHA", "SHA-") if (digest := getattr(row, "digest", None)) else "",
                yes(name in get_args(AlgorithmName)),
            )
            for name, row in ALGORITHMS.items()
        ),
    )


CHANGES: tuple[tuple[str, AccountChange], ...] = (
    ("a new password", PasswordChange(old_hash=None, new_hash="")),
    ("a new password, and the user keeps one session", PasswordChange(old_hash=None, new_hash="", keep_session="kept")),
    ("the same password, hashed again at a login", PasswordChange(old_hash="", new_hash="", ends_sessions=False)),
    ("disabled", StatusChange(status="disabled")),
    ("enabled", StatusChange(status="active")),
    ("other scopes", ScopesChange(scopes=())),
    ("another email address", EmailChange(email=None, canonical_email=None)),
    ("the address was verified", EmailChange(email=None, canonical_email=None, revokes="nothing")),
    ("a change of the address was undone", EmailChange(email=None, canonical_email=None, revokes="sessions")),
    ("deleted", Deletion()),
    (
        "a credential added",
        CredentialAdded(credential=Credential(id="", account_id="", method="", created_at=0), epoch=0),
    ),
    ("a credential removed", CredentialRemoved(credential_id="", epoch=0)),
)
"""One example at least of each kind of change; what it revokes is asked of the code."""


def consequences() -> str:
    """What a change of an account revokes."""

    def effect(change: AccountChange) -> tuple[str, str]:
        match consequence(change):
            case EndAll(keep=None):
                return "all end", "revoked"
            case EndAll():
                return "all others end; this one gets another refresh token", "revoked; outdated those of this session"
            case RaiseEpoch():
                return "go on", "outdated: the next refresh brings new ones"
            case Nothing():
                return "go on", "stay valid"

    return table(("change", "sessions", "access tokens"), ((words, *effect(change)) for words, change in CHANGES))


def methods() -> str:
    """The ways to log in."""
    return table(
        ("method", "`amr`", "factors", "first step", "later step", "resists phishing", "used up by one proof"),
        (
            (
                f"`{row.name}`",
                code(sorted(row.amr)),
                ", ".join(sorted(row.factors)),
                yes(row.first),
                yes(row.second),
                yes(row.phishing_resistant),
                yes(row.single_use),
            )
            for row in METHODS
        ),
    )


def metrics() -> str:
    """What is counted and read for Prometheus."""
    registry = CollectorRegistry()
    Metrics(NodeState(SystemClock(0), max_staleness=1, retry_after=1), registry)
    return table(
        ("metric", "type", "meaning"),
        (
            (f"`{one.name}{'_total' if one.type == 'counter' else ''}`", one.type, one.documentation)
            for one in registry.collect()
        ),
    )


def endings() -> str:
    """Why an open connection is ended."""
    return table(
        ("cause", "close code", "meaning"),
        (
            (f"`{cause}`", f"{row.close_code.code} `{row.close_code.reason}`", row.meaning)
            for cause, row in ENDINGS.items()
        ),
    )


def hash_notations() -> str:
    """How other systems write a password hash."""
    return table(("written by", "hash"), ((row.system, row.form) for row in NOTATIONS))


TABLES: Mapping[str, Callable[[], str]] = {
    "routes": routes,
    "bodies": bodies,
    "algorithms": algorithms,
    "consequences": consequences,
    "methods": methods,
    "metrics": metrics,
    "settings": settings,
    "events": events,
    "claims": claims,
    "end-causes": end_causes,
    "endings": endings,
    "errors": errors,
    "figures": readme_figures,
    "key-states": key_states,
    "hash-notations": hash_notations,
}


def written(text: str) -> str:
    """A page's text with its tables as they are now.

    Raises:
        KeyError: a mark names no table.
    """
    return MARKS.sub(lambda marks: f"{marks[1]}\n{TABLES[marks['name']]()}\n{marks[3]}", text)


if __name__ == "__main__":
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = written(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"wrote {page.relative_to(ROOT)}")
