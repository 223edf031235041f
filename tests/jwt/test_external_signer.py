"""Keys of `cryptography`, and signers that keep the private key elsewhere (KMS, HSM)."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from sealring import KeyRefused, jwt

EC = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    ("private", "alg"), [(EC, "ES256"), (P384, "ES384"), (RSA, "RS256"), (RSA, "PS512"), (ED, "Ed25519")]
)
def test_key_objects_become_keys(private: Any, alg: str) -> None:
    key = jwt.Key.from_cryptography(private, alg, kid="k")
    public = jwt.Key.from_cryptography(private.public_key(), alg, kid="k")
    assert (key.is_private, public.is_private, key.public()) == (True, False, public)
    assert jwt.verify(jwt.sign({"sub": "42"}, key, expires_in=60), public).kid == "k"
    assert not jwt.Key.from_cryptography(private, alg).named


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (EC, "ES384"),
        (EC, "RS256"),
        (RSA, "Ed25519"),
        (ed448.Ed448PrivateKey.generate(), "Ed25519"),
        (b"x" * 32, "HS256"),
        ("pem", "ES256"),
        (None, "ES256"),
    ],
)
def test_other_objects_are_refused(key: Any, alg: str) -> None:
    with pytest.raises(KeyRefused):
        jwt.Key.from_cryptography(key, alg)


def kms_ec(data: bytes) -> bytes:
    return EC.sign(data, ec.ECDSA(hashes.SHA256()))


def kms_p384(data: bytes) -> bytes:
    return P384.sign(data, ec.ECDSA(hashes.SHA384()))


def kms_rsa(data: bytes) -> bytes:
    return RSA.sign(data, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize(
    ("sign", "private", "alg", "der"),
    [
        (kms_ec, EC, "ES256", True),
        (kms_p384, P384, "ES384", True),
        (kms_rsa, RSA, "RS256", False),
        (ED.sign, ED, "Ed25519", False),
        (jwt.Key.from_cryptography(EC, "ES256").sign, EC, "ES256", False),
    ],
)
def test_a_signer_of_ones_own_signs(sign: Any, private: Any, alg: str, der: bool) -> None:  # noqa: FBT001
    public = jwt.Key.from_cryptography(private.public_key(), alg, kid="hsm")
    key = jwt.Key.from_signer(sign, public, der=der)
    for _ in range(8):  # r and s are of several lengths in DER
        assert jwt.verify(jwt.sign({"sub": "42"}, key, expires_in=60), public).kid == "hsm"
    assert key.public() == public
    assert key.to_jwk() == public.to_jwk()
    assert key.is_private
    for private_form in (key.to_jwk, key.to_pem):
        with pytest.raises(ValueError, match=r"no private .*, nor has a signer"):
            private_form(private=True)
    assert jwt.KeySet([key]).to_jwks() == jwt.KeySet([public]).to_jwks()


@pytest.mark.parametrize(
    ("sign", "der"),
    [
        (lambda data: kms_ec(data + b"x"), True),  # another text
        (kms_ec, False),  # DER where r and s are wanted
        (lambda _: b"junk", True),
        (lambda _: b"", False),
        (lambda _: bytes.fromhex("3006020101020100"), True),  # s = 0
        (lambda _: b"\x30\x26\x02\x01\x01\x02\x21\x01" + bytes(32), True),  # s is longer than the curve
        (lambda _: b"\x30\x06\x02\x01\xff\x02\x01\x01", True),  # r is negative
        (kms_p384, True),
    ],
)
def test_a_signature_that_does_not_fit_is_written_into_no_token(sign: Any, der: bool) -> None:  # noqa: FBT001
    key = jwt.Key.from_signer(sign, jwt.Key.from_cryptography(EC.public_key(), "ES256"), der=der)
    with pytest.raises(KeyRefused, match="signer's signature"):
        jwt.sign({}, key)


def test_wrong_signers_are_named() -> None:
    public = jwt.Key.from_cryptography(EC.public_key(), "ES256")

    async def later(_: bytes) -> bytes:
        return b""

    for sign in (later, None, "kms"):
        with pytest.raises(TypeError, match="sign must be a plain function"):
            jwt.Key.from_signer(sign, public)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="public must be a Key"):
        jwt.Key.from_signer(kms_ec, EC.public_key())  # type: ignore[arg-type]
    for private in (jwt.Key.from_cryptography(EC, "ES256"), jwt.Key.generate("HS256")):
        with pytest.raises(ValueError, match="public must be a public key"):
            jwt.Key.from_signer(kms_ec, private)
    with pytest.raises(TypeError, match="as bytes"):
        jwt.sign({}, jwt.Key.from_signer(lambda _: "text", public))  # type: ignore[arg-type,return-value]
    with pytest.raises(KeyRefused, match="no DER form"):
        jwt.sign({}, jwt.Key.from_signer(ED.sign, jwt.Key.from_cryptography(ED.public_key(), "Ed25519"), der=True))
