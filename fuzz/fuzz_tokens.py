"""Coverage-guided fuzzing of verification: garbage in, our error or success out (I9).

Three ways in: the bytes as a token; the bytes as header and payload under a good signature, so that the fuzzer gets
past it; the bytes as strict JSON, compared with the standard library, which may only accept more.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["sealring"]):
    from sealring import jwt
    from sealring.errors import KeyRefused, TokenError
    from sealring.jwt import strict_json
    from sealring.jwt.base64url import NotCanonical, decode, encode

import json
from contextlib import suppress
from typing import Any

NOW = 1_800_000_000
KEY = jwt.Key.from_secret(bytes(range(32)), "HS256")
STRICT = jwt.Verifier(KEY, issuer="i", audience="a", typ="at+jwt", integer_dates=True, max_lifetime=1800, cache_size=64)
LENIENT = jwt.Verifier(KEY, audience=jwt.ANY, require=(), cache_size=64)


def verify_both(token: str) -> None:
    """Only `TokenError`, the same answer twice, and the strict policy never accepts more than the lenient one."""
    answers = []
    for verifier in (STRICT, STRICT, LENIENT, LENIENT):
        try:
            answers.append(verifier.verify(token, NOW).claims)
        except TokenError:
            answers.append(None)
    assert answers[0] == answers[1]  # noqa: S101  # the invariant
    assert answers[2] == answers[3]  # noqa: S101
    assert answers[0] is None or answers[0] == answers[2]  # noqa: S101


def signed(header: bytes, payload: bytes) -> str:
    """Put a good signature under whatever bytes these are."""
    signing_input = f"{encode(header)}.{encode(payload)}"
    return f"{signing_input}.{encode(KEY.sign(signing_input.encode()))}"  # type: ignore[misc]  # a secret signs


def compare_json(data: bytes) -> None:
    """What we accept the standard library reads as the same value."""
    try:
        value = strict_json.decode(data)
    except strict_json.BadJSON:
        return

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)  # noqa: S101  # the invariant
        return dict(pairs)

    assert json.loads(data.decode(), object_pairs_hook=unique) == value  # noqa: S101


def one_input(data: bytes) -> None:
    """Run one input through the door that its first byte picks."""
    provider = atheris.FuzzedDataProvider(data)
    match provider.ConsumeIntInRange(0, 4):
        case 0:
            verify_both(provider.ConsumeUnicode(4096))
        case 1:
            verify_both(signed(b'{"alg":"HS256","typ":"at+jwt"}', provider.ConsumeBytes(2048)))
        case 2:
            verify_both(signed(provider.ConsumeBytes(512), b'{"iss":"i","aud":"a","iat":1799999999,"exp":1800000001}'))
        case 3:
            compare_json(provider.ConsumeBytes(2048))
        case _:
            text = provider.ConsumeUnicode(64)
            with suppress(NotCanonical):
                assert encode(decode(text)) == text  # noqa: S101  # canonical means that
            with suppress(KeyRefused):
                jwt.Key.from_secret(provider.ConsumeBytes(512), "HS256")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
