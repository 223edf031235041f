"""The test vectors of the revocation feed, which readers in other languages have too: ours reads them as they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sealring import jwt
from sealring.errors import TokenError
from sealring.revocation.entry import entry_digest
from sealring.revocation.wire import Segment, fingerprint, read_document, read_segment
from tests.vectors.feed_vectors import payload_of, vectors

VECTORS: Any = json.loads((Path(__file__).parent / "feed.json").read_text(encoding="utf-8"))
KEYS = jwt.KeySet.from_jwks(json.loads(VECTORS["jwks"]))


def names(kind: str) -> list[Any]:
    return [pytest.param(one, id=one["name"]) for one in VECTORS[kind]]


@pytest.mark.parametrize("vector", names("accepted"))
def test_what_is_to_be_accepted_is(vector: Any) -> None:
    document = read_document(vector["document"], KEYS, issuer=VECTORS["issuer"])
    said = vector["payload"]
    assert payload_of(vector["document"]) == said
    assert [[e.number, e.id, e.kind, e.target, e.epoch, e.expires_at] for e in document.entries] == said["entries"]
    assert (document.after, document.head, document.incarnation) == (
        said.get("after"),
        said["head"],
        said["incarnation"],
    )
    assert (document.time_ms, document.read_ms, document.keys) == (said["time_ms"], said["read_ms"], VECTORS["keys"])
    assert f"{document.digest % (1 << 64):016x}" == said["digest"]


@pytest.mark.parametrize("vector", names("refused"))
def test_what_is_to_be_refused_is(vector: Any) -> None:
    with pytest.raises(TokenError):
        read_document(vector["document"], KEYS, issuer=VECTORS["issuer"])


def test_digests_segments_and_the_name_of_the_key_set() -> None:
    for one in VECTORS["digests"]:
        assert f"{entry_digest(one['id']) % (1 << 64):016x}" == one["digest"]
    for one in VECTORS["segments"]:
        segment = Segment(one["first"], one["last"], one["name"])
        assert [entry.number for entry in read_segment(one["bytes"].encode(), segment)] == [1, 2]
    assert fingerprint(VECTORS["jwks"].encode()) == VECTORS["keys"]


def test_the_file_is_what_its_writer_writes() -> None:
    """But for signatures, which ES256 makes anew each time."""

    def unsigned(found: Any) -> Any:
        if isinstance(found, dict):
            return {
                name: value.rpartition(".")[0] if name == "document" else unsigned(value)
                for name, value in found.items()
            }
        return [unsigned(one) for one in found] if isinstance(found, list) else found

    assert unsigned(VECTORS) == unsigned(json.loads(json.dumps(vectors())))
