"""Writes `feed.json`, the test vectors of the revocation feed for readers in other languages.

    python -m tests.vectors.feed_vectors > tests/vectors/feed.json

The key is for these vectors alone. Signatures differ in each run; what they say does not.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

from sealring import jwt
from sealring.jwt.base64url import decode, encode
from sealring.revocation.entry import Entry, entry_digest
from sealring.revocation.wire import TYPE, FeedDocument, Segment, fingerprint, sign_document, write_segment

ISSUER = "https://auth.example.com"
KEY = jwt.Key.from_jwk(
    {
        "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "vectors",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    }
)  # fmt: skip
"""Of RFC 7515, appendix A.3: everybody has it."""
JWKS = json.dumps({"keys": [KEY.public().to_jwk()]}, separators=(",", ":"))
NOW = 1_900_000_000
LATER = NOW + 1805

ENTRIES = (
    Entry(1, "fEjvGsJ5wYUOnt5z3dJ0hA", "session", "sid-one", 0, LATER),
    Entry(2, "0wyB6yqrN5cL0bJtE1m2Bg", "subject", "42", 3, LATER),
    Entry(3, "pPFYd6N7m3cXh3bXlR2cAw", "key", "stolen", 0, LATER),
    Entry(4, "lq1mXq4hB5o3E7Vb3m5yTA", "session", 'quote " backslash \\ ünï \U0001f600', 0, LATER),
    Entry(5, "9T1hXkq3Q2Gf0yq5pXc7dQ", "subject", "42", 5, LATER),
)


def digest_of(*entries: Entry) -> int:
    digest = 0
    for entry in entries:
        digest ^= entry_digest(entry.id)
    return digest


def page(after: int, head: int) -> FeedDocument:
    return FeedDocument(
        issuer=ISSUER,
        incarnation="first life",
        after=after,
        head=head,
        digest=digest_of(*ENTRIES[:head]),
        keys=fingerprint(JWKS.encode()),
        time_ms=NOW * 1000,
        read_ms=NOW * 1000 + 4,
        longest_access_ttl=1800,
        entries=ENTRIES[after:head],
    )


def payload_of(document: str) -> Any:
    return json.loads(decode(document.split(".")[1]))


def resigned(payload: Any, *, header: Any = None, key: jwt.Key = KEY) -> str:
    head = encode(json.dumps({"alg": key.alg, "kid": key.kid, "typ": TYPE} | (header or {})).encode())
    text = f"{head}.{encode(json.dumps(payload).encode())}"
    return f"{text}.{encode(key.sign(text.encode()) if key.sign else b'')}"


def vectors() -> dict[str, Any]:
    """All of them."""
    segment_bytes = write_segment(ENTRIES[:2])
    segment = Segment(1, 2, fingerprint(segment_bytes))
    accepted = {
        "a page": page(1, 4),
        "a page without entries": page(5, 5),
        "a snapshot without segments": replace(page(0, 5), after=None),
        "a snapshot with a segment": replace(page(2, 5), after=None, segments=(segment,)),
        "a page that begins earlier than a reader at 3 asked": page(1, 5),
    }
    good = sign_document(page(1, 4), KEY)
    payload = payload_of(good)
    header, body, signature = good.split(".")
    unsigned = encode(json.dumps({"alg": "none", "kid": "vectors", "typ": TYPE}).encode())
    twin = jwt.Key.generate("ES256", kid="vectors")
    return {
        "about": "docs/reference/feed.md. `now_ms` is the reader's clock, `payload` what an accepted document says.",
        "now_ms": NOW * 1000 + 20,
        "issuer": ISSUER,
        "jwks": JWKS,
        "keys": fingerprint(JWKS.encode()),
        "digests": [{"id": entry.id, "digest": f"{entry_digest(entry.id) % (1 << 64):016x}"} for entry in ENTRIES],
        "segments": [
            {"name": segment.name, "bytes": segment_bytes.decode(), "first": segment.first, "last": segment.last}
        ],
        "accepted": [
            {"name": name, "document": (text := sign_document(document, KEY)), "payload": payload_of(text)}
            for name, document in accepted.items()
        ],
        "refused": [
            {"name": name, "document": text}
            for name, text in {
                "a signature of another key of that name": resigned(payload, key=twin),
                "a key that is not in the set": resigned(payload, key=jwt.Key.generate("ES256", kid="unknown")),
                "the type of an access token": resigned(payload, header={"typ": "at+jwt"}),
                "no type": resigned(payload, header={"typ": "JWT"}),
                "no algorithm": f"{unsigned}.{body}.",
                "a critical extension": resigned(payload, header={"crit": ["x"], "x": 1}),
                "a changed payload": f"{header}.{encode(json.dumps({**payload, 'head': 5}).encode())}.{signature}",
                "padding": good + "=",
                "another issuer": resigned({**payload, "iss": ISSUER + "/"}),
                "another version": resigned({**payload, "ver": 2}),
                "an entry of another kind": resigned({**payload, "entries": [[2, "x", "device", "d", 0, LATER]] * 3}),
                "a gap": resigned({**payload, "entries": [payload["entries"][0], payload["entries"][2]]}),
                "entries that are out of order": resigned({**payload, "entries": payload["entries"][::-1]}),
                "a page with segments": resigned({**payload, "segments": []}),
                "neither a page nor a snapshot": resigned({k: v for k, v in payload.items() if k != "after"}),
            }.items()
        ],
    }  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n")
