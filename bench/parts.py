"""What `scripts/bench all` runs, in the order of the page: one row for each run, under the heading where it stands.

Each part is a process of its own with a file of its own in `bench/results`, so that one that fails takes no other along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Part(NamedTuple):
    """One run of one benchmark."""

    name: str
    arguments: tuple[str, ...]
    """Of `scripts/bench`; the first is the benchmark's name."""

    quick: tuple[str, ...] = ()
    """Instead of the numbers among the arguments, when only the page is tried."""

    quick_environment: Mapping[str, str] = {}

    @property
    def command(self) -> str:
        """What readers type."""
        return " ".join(("scripts/bench", *self.arguments))


class Section(NamedTuple):
    """A heading of the page, with what its figures count and what they leave out."""

    title: str
    words: str
    parts: tuple[Part, ...]


SHORT = {"BENCH_SAMPLES": "6", "BENCH_ROUNDS": "2", "BENCH_SECONDS": "1"}
FRAMEWORKS = (
    "fastapi",
    "starlette",
    "starlette-backend",
    "litestar",
    "litestar-guard",
    "quart",
    "flask",
    "django",
    "drf",
    "ninja",
)

SECTIONS = (
    Section(
        "Verify a token",
        "CPU time to check one token of eight claims, `iss` and `aud` included, that was never seen before: signature, form, "
        "claims. No revocation, no network. The floor is the least that the same libraries can do without a check. Node's "
        "peers run in one Node process and take turns with the others. `jsonwebtoken (text)` has its key as text, as its "
        "README and most tutorials show it; `(KeyObject)` has it parsed once. Python-jose and jsonwebtoken know no Ed25519.",
        (Part("verify", ("jwt", "--only", "anew"), ("--rounds", "3")),),
    ),
    Section(
        "Verify a token that was seen before",
        "The same token again, as a new string, as a server gets it from the wire. Dates are asked again each time. "
        "`projected` hands out one object that all requests share, as the middleware does with the principal; the other row "
        "copies the claims for each caller. The peers in Python keep nothing: for them every token is new.",
        (Part("cached", ("jwt", "--only", "cached"), ("--rounds", "3")),),
    ),
    Section(
        "Sign a token",
        "CPU time to sign eight claims.",
        (Part("sign", ("jwt", "--only", "sign"), ("--rounds", "3")),),
    ),
    Section(
        "Each step of a token",
        "Each step of the two tasks above alone, the least of 41 rounds. A step alone finds the processor's caches warm, so "
        "the steps together are less than the whole; what is left are the size, the split, the look-up of the header, and "
        "calls. [What each figure means](explanation/figures.md#where-the-time-of-a-token-goes) explains them.",
        (Part("steps", ("jwt", "--only", "steps"), ("--rounds", "3")),),
    ),
    Section(
        "A guarded route in each framework",
        "CPU time of one request: the route open, behind Sealring, and behind what one would use otherwise there. `direct` calls "
        "the application as a server does; `served` goes through uvicorn's or gunicorn's own code, on socket pairs in one "
        "process. A hundred tokens repeat, as those of users do. Each application was asked beforehand whether it refuses a "
        "request without a token. Peers that read a user have a dictionary for it, except simplejwt's usual class, which reads "
        "a row of SQLite in memory. No peer here refuses a token that was revoked, without a look-up of yours on top.",
        tuple(
            Part(f"framework-{name}", ("frameworks", "--only", name, "0.1", "9"), ("0.01", "3")) for name in FRAMEWORKS
        ),
    ),
    Section(
        "A guarded route over HTTP",
        "Requests a second of one uvicorn worker, asked by wrk over loopback with 32 connections; the server without the check "
        "and the server with it take turns. wrk runs on the same machine and takes its share of it.",
        (Part("web", ("web", "1", "3"), ("1", "1")),),
    ),
    Section(
        "Beside a look-up on every request",
        "One check of one token that may have been revoked, as its caller waits for it (wall clock), everything on loopback: the "
        "shortest network there is. Introspection is `GET /auth/live` of an auth service in a process of its own, which "
        "answers from memory; that of RFC 7662 does the same work or more. Sealring's tokens were seen before; a new one "
        "costs its signature on top, as the first table says.",
        (Part("alternatives", ("alternatives",), ("--rounds", "2")),),
    ),
    Section(
        "Login",
        "Logins a second by 24 clients at once, against bare Argon2id with the same parameters on as many threads; then what a "
        "flood of logins costs those who only verify. What makes the flood runs on the same event loop, so the row to compare "
        "with is that of as many arrivals that ask for nothing.",
        (Part("login", ("login", "0.3"), ("0.05",)),),
    ),
    Section(
        "Refresh",
        "CPU time of one whole refresh (MAC, row, decision, swap, two tokens), in this process, against one bare ES256 "
        "signature, which is the greatest part that no design can leave out. The database server's own CPU time is not in it. "
        "In memory it is the refresh itself; with SQLite the hand-over to its thread and the commit on disk are in it, which "
        "callers at the same time share; with PostgreSQL the driver and the wire.",
        (Part("refresh", ("sessions",), ("--rounds", "2")),),
    ),
    Section(
        "Refresh of a session that is bound to its device",
        "CPU time of one refresh at the route, in this process, without a network: of a browser whose session is not bound, "
        "and of one that proves the key of its device. What the browser signs with is not in it. A browser that has no "
        "challenge yet asks for one first, which is the third row.",
        (Part("devices", ("devices",), ("--rounds", "2")),),
    ),
    Section(
        "What a store can write",
        "Refreshes a second of the store alone, on disk (`synchronous=FULL`, `fsync`), against the bare database with the "
        "same settings. Above the bare rate stands what callers at the same time gain from sharing one commit.",
        (Part("store", ("store",), (), {"BENCH_ROUNDS": "2", "BENCH_SECONDS": "0.2"}),),
    ),
    Section(
        "Growth",
        "The same operations, one at a time, on a store with a few sessions and on one with a million sessions of a million "
        "users more. A node that verifies holds no sessions at all, only revocations.",
        (Part("growth", ("growth",), ("--count", "20000", "--rounds", "2", "--calls", "5")),),
    ),
    Section(
        "Revocation to refusal",
        "From the acknowledged logout until every node refuses the token: the time at which the first refused request was "
        "sent. Nodes are processes over one PostgreSQL, asked without a pause. On the node that acknowledges, the revocation "
        "is in force before the answer is sent, so with one node the time is that of the next request's way.",
        (
            Part("force", ("cluster", "force"), (), SHORT),
            Part("rate", ("cluster", "rate"), (), SHORT),
            Part("throughput", ("cluster", "throughput"), (), SHORT),
            Part("idle", ("cluster", "idle"), (), SHORT),
            Part("live", ("live",), ("--idle", "2000", "--ended", "500")),
        ),
    ),
    Section(
        "Services that only verify, over HTTP",
        "`Verifier.from_issuer` in services of their own, which follow the issuer's revocation feed by long poll. The issuer is "
        "one process on SQLite. `From the acknowledged revocation` is to the first request that is refused. The "
        "thousand verifiers are real ones, hundreds to a process; issuer, verifiers and what revokes share the processor, so "
        "times to the last verifier are those of a machine that does all of it. An issuer answers at most 1,000 waiting "
        "verifiers a second: more of them get several revocations in one answer. The ten thousand that start at the same "
        "moment have a bound of 60 s: with one of 5 s, their polls at rest are more than one issuer answers, and relays are "
        "for that. They are two processes of this machine, which parse ten million revocations: on as many machines, "
        "what is left is the issuer's share.",
        (
            Part("feed-check", ("feed", "check"), (), SHORT),
            Part("feed-force", ("feed", "force"), (), SHORT),
            Part("feed-load", ("feed", "load"), (), {**SHORT, "BENCH_ENTRIES": "20000"}),
            Part("feed-cost", ("feed", "cost"), (), {**SHORT, "BENCH_VERIFIERS": "100"}),
            Part("feed-relays", ("feed", "relays"), (), {**SHORT, "BENCH_VERIFIERS": "100", "BENCH_RELAYS": "2"}),
            Part("feed-restart", ("feed", "restart"), (), {**SHORT, "BENCH_RESTARTING": "200"}),
        ),
    ),
    Section(
        "A million revocations",
        "What a node holds in memory, and what each request asks of it. The sessions asked about are random, as those of users "
        "are, and their hash is not known yet. Memory is what the process took from the system; of it, at a million, 32 MB "
        "are the filter with which the packed set begins. Ten million live revocations are one every 180 µs for half an hour.",
        (
            Part("view", ("view",), ("--counts", "10000", "1000000")),
            Part("load", ("cluster", "load"), (), SHORT),
        ),
    ),
    Section(
        "Import",
        "Wall clock of `import sealring.jwt` in a new process.",
        (Part("import", ("jwt", "--only", "import")),),
    ),
)

PARTS: Mapping[str, Part] = {part.name: part for section in SECTIONS for part in section.parts}
