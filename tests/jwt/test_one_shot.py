from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from sealring import jwt
from sealring.errors import BadSignature, Malformed, TokenError, UnsupportedAlgorithm
from tests.jwt.forge import NOW, forge

KEY = jwt.Key.generate("ES256", kid="k")
CLAIMS = {"sub": "s", "exp": NOW + 60}


@pytest.mark.parametrize("payload", [b"", b"\0\xff", b"not json", b"{}"])
def test_verify_signature_returns_the_bytes(payload: bytes) -> None:
    signed = jwt.verify_signature(forge(KEY, payload, {"alg": "ES256", "cty": "x", "typ": "y"}), KEY.public())
    assert signed == jwt.Signed({"alg": "ES256", "cty": "x", "typ": "y"}, payload)


def test_verify_signature_refuses_what_is_not_signed_so() -> None:
    token = forge(KEY, b"x")
    with pytest.raises(BadSignature):
        jwt.verify_signature(token, jwt.Key.generate("ES256"))
    with pytest.raises(UnsupportedAlgorithm):
        jwt.verify_signature(token, KEY, algorithms=["Ed25519"])
    with pytest.raises(TokenError):
        jwt.verify_signature(token, jwt.KeySet([KEY]))
    with pytest.raises(Malformed):
        jwt.verify_signature(forge(KEY, "!"), KEY)


def test_peek_reads_without_a_key() -> None:
    assert jwt.peek(forge(jwt.Key.generate("HS256"), CLAIMS)) == jwt.Peeked({"alg": "HS256", "typ": "JWT"}, CLAIMS)
    assert not isinstance(jwt.peek(forge(KEY, CLAIMS)), jwt.Token)
    for bad in ("", "a.b.c", "x" * 9000, forge(KEY, b"[]"), forge(KEY, CLAIMS, {"alg": "ES256", "crit": ["x"]})):
        with pytest.raises(TokenError):
            jwt.peek(bad)


@pytest.mark.anyio
async def test_a_key_that_has_to_be_awaited_is_found_before_the_verification() -> None:
    async def find(header: dict[str, Any]) -> jwt.Key:
        return {"k": KEY}[header["kid"]]

    token = jwt.sign(CLAIMS, KEY)
    assert jwt.verify(token, await find(jwt.peek(token).header), now=NOW).claims["sub"] == "s"
    forged = forge(jwt.Key.generate("ES256"), CLAIMS, {"alg": "ES256", "kid": "k"})
    with pytest.raises(BadSignature):
        jwt.verify(forged, await find(jwt.peek(forged).header), now=NOW)


@pytest.mark.parametrize("token", [None, 1, b"a.b.c", bytearray(b"a"), [], {}, object()])
def test_a_token_that_is_no_text_is_malformed(token: Any) -> None:
    for read in (
        lambda: jwt.verify(token, KEY),
        lambda: jwt.Verifier(KEY).verify(token),
        lambda: jwt.peek(token),
        lambda: jwt.verify_signature(token, KEY),
    ):
        with pytest.raises(Malformed):
            read()


def test_a_subclass_of_str_is_text() -> None:
    class Text(str):
        __slots__ = ()

    assert (
        jwt.verify(Text(jwt.sign(CLAIMS, KEY)), KEY, now=NOW).claims
        == jwt.verify(jwt.sign({**CLAIMS}, KEY), KEY, now=NOW).claims
    )


def test_importing_brings_no_server_package_and_no_ssh() -> None:
    heavy = (
        "fastapi",
        "starlette",
        "pydantic",
        "argon2",
        "asyncio",
        "cryptography.x509",
        "cryptography.hazmat.primitives.serialization.ssh",
    )
    program = f"import sys, sealring.jwt; print([name for name in {heavy} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_the_door() -> None:
    assert set(jwt.__all__) <= set(dir(jwt))
    assert {"sign", "verify", "verify_signature", "peek", "Key", "KeySet", "Verifier", "parse_duration"} <= set(
        jwt.__all__
    )
