from __future__ import annotations

import base64
import copy
import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.x509.oid import NameOID

from sealring import jwt
from sealring.errors import KeyRefused
from sealring.jwt.algorithms import ALGORITHMS
from sealring.jwt.base64url import decode, encode
from sealring.jwt.key_confusion import detect_asymmetric_key

RSA = jwt.Key.generate("RS256")
KEYS = {
    alg: jwt.Key.from_pem(RSA.to_pem(private=True), alg) if row.kind["kty"] == "RSA" else jwt.Key.generate(alg)
    for alg, row in ALGORITHMS.items()
}
ASYMMETRIC = [alg for alg, row in ALGORITHMS.items() if not row.is_symmetric]


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_each_algorithm_signs_and_verifies(alg: str) -> None:
    key = KEYS[alg]
    token = jwt.sign({"sub": "42"}, key, expires_in=60, now=1000)
    checker = key if key.is_symmetric else key.public()
    assert jwt.verify(token, checker, now=1000).claims == {"sub": "42", "iat": 1000, "exp": 1060}
    assert jwt.peek(token).header == {"alg": alg, "kid": key.kid, "typ": "JWT"}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_private_jwk_reads_back_to_the_same_key(alg: str) -> None:
    jwk = KEYS[alg].to_jwk(private=True)
    assert jwk["alg"] == alg
    assert jwt.Key.from_jwk(json.loads(json.dumps(jwk))).to_jwk(private=True) == jwk


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_the_public_jwk_has_no_private_member(alg: str) -> None:
    jwk = KEYS[alg].to_jwk()
    assert not jwk.keys() & {"d", "p", "q", "dp", "dq", "qi", "k"}
    assert jwt.Key.from_jwk(jwk) == KEYS[alg].public()


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_pem_and_der_read_back_to_the_same_key(alg: str) -> None:
    key = KEYS[alg]
    for pem, wanted in ((key.to_pem(), key.public()), (key.to_pem(private=True), key)):
        read = jwt.Key.from_pem(pem, alg, kid=key.kid)
        assert read == wanted
        assert read.is_private is wanted.is_private
        assert jwt.Key.from_der(base64.b64decode(b"".join(pem.splitlines()[1:-1])), alg, kid=key.kid) == wanted
        assert jwt.Key.from_pem(pem.decode(), alg, kid=key.kid) == wanted


def certificate_of(alg: str) -> x509.Certificate:
    private: Any = serialization.load_pem_private_key(KEYS[alg].to_pem(private=True), None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "auth.example.com")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    unsigned = x509.CertificateBuilder(name, name, private.public_key(), 1, start, start + timedelta(1))
    return unsigned.sign(private, None if alg == "Ed25519" else hashes.SHA256())


@pytest.mark.parametrize("alg", ["ES256", "RS256", "Ed25519"])
def test_a_certificate_gives_its_public_key(alg: str) -> None:
    certificate, wanted = certificate_of(alg), KEYS[alg].public()
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    der = certificate.public_bytes(serialization.Encoding.DER)
    for key in (jwt.Key.from_pem(pem, alg), jwt.Key.from_pem(pem.decode(), alg), jwt.Key.from_der(der, alg)):
        assert key.thumbprint == wanted.thumbprint
        assert not key.is_private
    for read, data in ((jwt.Key.from_pem, pem), (jwt.Key.from_der, der)):
        with pytest.raises(KeyRefused):
            read(data[:-40], alg)
        with pytest.raises(KeyRefused):
            read(data, "ES384")
        with pytest.raises(KeyRefused):
            read(data, alg, password="needless")


@pytest.mark.parametrize("form", [serialization.PublicFormat.PKCS1, serialization.PublicFormat.SubjectPublicKeyInfo])
def test_public_rsa_keys_in_either_form(form: serialization.PublicFormat) -> None:
    public: Any = serialization.load_pem_public_key(RSA.to_pem())
    pem, der = (public.public_bytes(kind, form) for kind in (serialization.Encoding.PEM, serialization.Encoding.DER))
    for read, data in ((jwt.Key.from_pem, pem), (jwt.Key.from_der, der)):
        assert read(data, "RS256").thumbprint == RSA.thumbprint
        with pytest.raises(KeyRefused):
            read(data, "RS256", password="needless")


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_private_keys_in_their_traditional_form(alg: str) -> None:
    private: Any = serialization.load_pem_private_key(KEYS[alg].to_pem(private=True), None)
    pem, der = (
        private.private_bytes(kind, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
        for kind in (serialization.Encoding.PEM, serialization.Encoding.DER)
    )
    assert jwt.Key.from_pem(pem, alg).thumbprint == jwt.Key.from_der(der, alg).thumbprint == KEYS[alg].thumbprint


def test_an_encrypted_der_opens_with_its_password_only() -> None:
    pem = KEYS["ES256"].to_pem(private=True, password="correct horse")
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    assert jwt.Key.from_der(der, "ES256", password="correct horse").thumbprint == KEYS["ES256"].thumbprint
    for password in (None, "wrong"):
        with pytest.raises(KeyRefused):
            jwt.Key.from_der(der, "ES256", password=password)


def test_a_private_pem_opens_with_its_password_only() -> None:
    pem = KEYS["ES256"].to_pem(private=True, password="correct horse")
    assert b"ENCRYPTED" in pem
    assert jwt.Key.from_pem(pem, "ES256", password=b"correct horse").thumbprint == KEYS["ES256"].thumbprint
    for password in (None, "wrong"):
        with pytest.raises(KeyRefused):
            jwt.Key.from_pem(pem, "ES256", password=password)
    with pytest.raises(KeyRefused):
        jwt.Key.from_pem(KEYS["ES256"].to_pem(private=True), "ES256", password="needless")
    with pytest.raises(ValueError, match="encrypted"):
        KEYS["ES256"].to_pem(password="x")


def test_a_secret_has_no_public_form() -> None:
    key = KEYS["HS256"]
    for form in (key.public, key.to_jwk, key.to_pem, lambda: key.to_pem(private=True)):
        with pytest.raises(ValueError, match=r"secret|private"):
            form()
    assert decode(key.to_jwk(private=True)["k"])


def test_a_public_key_has_no_private_form_and_does_not_sign() -> None:
    public = KEYS["ES256"].public()
    assert public.public() == public
    for form in (
        lambda: public.to_jwk(private=True),
        lambda: public.to_pem(private=True),
        lambda: jwt.sign({}, public),
    ):
        with pytest.raises(ValueError, match=r"public|private"):
            form()


@pytest.mark.parametrize(("alg", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_its_hash(alg: str, size: int) -> None:
    assert len(decode(KEYS[alg].to_jwk(private=True)["k"])) == size
    assert jwt.Key.from_secret(bytes(range(size)), alg).is_private
    with pytest.raises(KeyRefused, match=f"{size} bytes"):
        jwt.Key.from_secret(bytes(range(size - 1)), alg)


@pytest.mark.parametrize("alg", ["RS256", "PS512"])
def test_rsa_of_less_than_2048_bits_is_refused(alg: str) -> None:
    small = rsa.generate_private_key(65537, 1024)  # noqa: S505  # that is the point
    pem = small.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(KeyRefused, match="2048"):
        jwt.Key.from_pem(pem, alg)
    with pytest.raises(KeyRefused, match="2048"):
        jwt.Key.generate(alg, bits=1024)


def test_rsa_of_more_than_16384_bits_is_refused() -> None:
    longest = encode((2**16383 + 1).to_bytes(2048, "big"))
    assert jwt.Key.from_jwk({"kty": "RSA", "n": longest, "e": "AQAB"}, "RS256").alg == "RS256"
    longer = encode((2**16384 + 1).to_bytes(2049, "big"))
    with pytest.raises(KeyRefused, match="16384"):
        jwt.Key.from_jwk({"kty": "RSA", "n": longer, "e": "AQAB"}, "RS256")


@pytest.mark.parametrize(
    ("pem_of", "alg"),
    [
        ("ES256", "ES384"),
        ("ES384", "ES256"),
        ("ES512", "ES256"),
        ("ES256", "RS256"),
        ("RS256", "ES256"),
        ("Ed25519", "ES256"),
        ("ES256", "Ed25519"),
        ("ES256", "HS256"),
    ],
)
def test_a_key_of_another_kind_is_refused(pem_of: str, alg: str) -> None:
    for pem in (KEYS[pem_of].to_pem(), KEYS[pem_of].to_pem(private=True)):
        with pytest.raises(KeyRefused):
            jwt.Key.from_pem(pem, alg)
    with pytest.raises((KeyRefused, TypeError)):
        jwt.Key.from_jwk({name: value for name, value in KEYS[pem_of].to_jwk().items() if name != "alg"}, alg)


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP224R1()])
def test_curves_outside_the_table_are_refused(curve: ec.EllipticCurve) -> None:
    pem = ec.generate_private_key(curve).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(KeyRefused):
        jwt.Key.from_pem(pem, "ES256")


def test_ed448_is_refused() -> None:
    pem = ed448.Ed448PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(KeyRefused):
        jwt.Key.from_pem(pem, "Ed25519")


@pytest.mark.parametrize("alg", ["none", "HS1", "ES256K", "RSA1_5", "hs256", "", None, 1])
def test_an_algorithm_outside_the_table_is_a_mistake(alg: Any) -> None:
    for make in (
        jwt.Key.generate,
        lambda alg: jwt.Key.from_secret(b"x" * 64, alg),
        lambda alg: jwt.Key.from_pem(b"", alg),
    ):
        with pytest.raises(ValueError, match="alg"):
            make(alg)


@pytest.mark.parametrize(
    "material",
    [
        b"",
        b"junk",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n",
    ],
)
def test_junk_is_refused_as_pem(material: bytes | str) -> None:
    with pytest.raises(KeyRefused):
        jwt.Key.from_pem(material, "ES256")
    with pytest.raises(KeyRefused):
        jwt.Key.from_der(material if isinstance(material, bytes) else material.encode(), "ES256")


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "EC2"},
        {"kty": None},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"crv": None},
        {"x": None},
        {"x": ""},
        {"x": 1},
        {"x": "AA"},
        {"x": "AA=="},
        {"y": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        {"d": "AA"},
        {"d": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        {"alg": "ES384"},
        {"alg": "RS256"},
        {"alg": 1},
        {"use": "enc"},
        {"use": 1},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"key_ops": {"verify": True}},
        {"key_ops": []},
        {"kid": 1},
    ],
)
def test_a_jwk_with_a_wrong_member_is_refused(change: dict[str, Any]) -> None:
    jwk = KEYS["ES256"].to_jwk() | change
    with pytest.raises((KeyRefused, ValueError)):
        jwt.Key.from_jwk(jwk)


@pytest.mark.parametrize(
    ("alg", "change", "words"),
    [
        ("ES256", {"kty": "EC2"}, "kty must be"),
        ("ES256", {"x": encode(b"\0" + decode(KEYS["ES256"].to_jwk()["x"]))}, "'x' must be 32 bytes long"),
        ("ES256", {"y": encode(bytes(32))}, "no valid key"),
        ("Ed25519", {"crv": "X25519"}, "crv must be Ed25519"),
    ],
)
def test_a_jwk_is_refused_for_what_is_wrong_with_it(alg: str, change: dict[str, str], words: str) -> None:
    with pytest.raises(KeyRefused, match=words):
        jwt.Key.from_jwk(KEYS[alg].to_jwk() | change)


def test_private_parts_must_belong_to_the_public_ones() -> None:
    for alg in ("ES256", "Ed25519"):
        mixed = jwt.Key.generate(alg).to_jwk(private=True) | {"d": KEYS[alg].to_jwk(private=True)["d"]}
        with pytest.raises(KeyRefused):
            jwt.Key.from_jwk(mixed)


def test_an_rsa_jwk_needs_no_more_than_n_e_d() -> None:
    jwk = {name: value for name, value in RSA.to_jwk(private=True).items() if name in ("kty", "n", "e", "d")}
    assert jwt.Key.from_jwk(jwk, "RS256").thumbprint == RSA.thumbprint
    with pytest.raises(KeyRefused, match="alg"):
        jwt.Key.from_jwk(jwk)
    with pytest.raises(KeyRefused):
        jwt.Key.from_jwk(jwk | {"oth": []}, "RS256")
    with pytest.raises(KeyRefused, match="large"):
        jwt.Key.from_jwk(jwk | {"e": encode(b"\x01" + bytes(9))}, "RS256")


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512", "Ed25519"])
@pytest.mark.parametrize("form", ["public", "private"])
def test_a_curve_implies_its_algorithm(alg: str, form: str) -> None:
    jwk = {name: value for name, value in KEYS[alg].to_jwk(private=form == "private").items() if name != "alg"}
    assert jwt.Key.from_jwk(jwk).alg == alg
    assert next(iter(jwt.KeySet.from_jwks({"keys": [jwk]}))).alg == alg


@pytest.mark.parametrize("alg", ["HS256", "RS256"])
def test_other_keys_without_alg_need_the_argument(alg: str) -> None:
    jwk = {name: value for name, value in KEYS[alg].to_jwk(private=True).items() if name != "alg"}
    with pytest.raises(KeyRefused, match="no alg"):
        jwt.Key.from_jwk(jwk)
    assert jwt.Key.from_jwk(jwk, alg).alg == alg


@pytest.mark.parametrize("change", [{"kty": "OKP"}, {"crv": "P-384"}, {"crv": None}, {"crv": "Ed25519"}])
def test_kty_and_crv_imply_an_algorithm_only_together(change: dict[str, Any]) -> None:
    jwk = {name: value for name, value in KEYS["ES256"].to_jwk().items() if name != "alg"}
    with pytest.raises(KeyRefused):
        jwt.Key.from_jwk(jwk | change)


def test_arguments_must_agree_with_the_jwk() -> None:
    jwk = KEYS["ES256"].to_jwk()
    assert jwt.Key.from_jwk(jwk, "ES256", kid=jwk["kid"]).kid == jwk["kid"]
    for wrong in ({"alg": "ES384"}, {"kid": "other"}):
        with pytest.raises(KeyRefused):
            jwt.Key.from_jwk(jwk, **wrong)
    with pytest.raises(TypeError):
        jwt.Key.from_jwk("{}")  # type: ignore[arg-type]


def test_a_key_shows_no_material_and_does_not_change() -> None:
    key = KEYS["HS256"]
    assert key.to_jwk(private=True)["k"] not in repr(key)
    with pytest.raises(AttributeError):
        key.alg = "HS512"
    with pytest.raises(AttributeError):
        del key.kid
    for leave in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            leave(key)


def test_equal_keys_are_the_same_key_in_the_same_role() -> None:
    key = KEYS["ES256"]
    same = jwt.Key.from_jwk(key.to_jwk(private=True))
    assert key == same
    assert hash(key) == hash(same)
    assert key != key.public()
    assert key != jwt.Key.from_jwk({**key.to_jwk(private=True), "kid": "other"})
    assert key != "key"


def test_a_name_is_text() -> None:
    assert jwt.Key.generate("ES256", kid="a").kid == "a"
    for kid in ("", 1, b"a"):
        with pytest.raises(TypeError):
            jwt.Key.generate("ES256", kid=kid)  # type: ignore[arg-type]


PUBLIC = RSA.to_pem()
DER = base64.b64decode(b"".join(PUBLIC.splitlines()[1:-1]))
EC_KEY = KEYS["ES256"]
SSH = serialization.load_pem_public_key(EC_KEY.to_pem()).public_bytes(
    serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
)
POINT = serialization.load_pem_public_key(EC_KEY.to_pem()).public_bytes(
    serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
)
DISGUISES = {
    "pem": PUBLIC,
    "pem behind junk": b"#x\n" + PUBLIC,
    "pem behind a bom": b"\xef\xbb\xbf" + PUBLIC,
    "pem in one line": PUBLIC.replace(b"\n", b""),
    "pem with crlf": PUBLIC.replace(b"\n", b"\r\n"),
    "pem in utf-16": PUBLIC.decode().encode("utf-16"),
    "pem with escaped lines": PUBLIC.replace(b"\n", b"\\n"),
    "pem in base64": base64.b64encode(PUBLIC),
    "pem in base64 twice": base64.b64encode(base64.b64encode(PUBLIC)),
    "pem in hex": PUBLIC.hex().encode(),
    "private pem": EC_KEY.to_pem(private=True),
    "pkcs1": PUBLIC.replace(b"PUBLIC", b"RSA PUBLIC"),
    "der": DER,
    "der with a newline": DER + b"\n",
    "der in base64": base64.b64encode(DER),
    "der in base64 lines": b"\n".join(PUBLIC.splitlines()[1:-1]),
    "der in base64url": base64.urlsafe_b64encode(DER),
    "der in quotes": b'"' + base64.b64encode(DER) + b'"',
    "der in hex": DER.hex().encode(),
    "der with a length written longer": b"\x30\x84" + (len(DER) - 4).to_bytes(4, "big") + DER[4:],
    "ec der": base64.b64decode(b"".join(EC_KEY.to_pem().splitlines()[1:-1])),
    "jwk": json.dumps(RSA.to_jwk()).encode(),
    "jwk with escapes": json.dumps(RSA.to_jwk()).replace("kty", "\\u006bty").encode(),
    "jwks": json.dumps({"keys": [RSA.to_jwk()]}, indent=1).encode(),
    "jwk behind spaces": b" \n" + json.dumps(RSA.to_jwk()).encode(),
    "jwk in base64": base64.b64encode(json.dumps(RSA.to_jwk()).encode()),
    "list of jwk": json.dumps([RSA.to_jwk()]).encode(),
    "ssh": SSH,
    "ssh blob": base64.b64decode(SSH.split()[1]),
    "ssh in base64": SSH.split()[1],
    "authorized keys": b"# mine\n" + SSH,
    "point": POINT,
    "point in base64": base64.b64encode(POINT),
    "ssh2": b"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n" + b"x" * 32,
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_key_in_disguise_is_no_secret(name: str) -> None:
    with pytest.raises(KeyRefused, match="no secret"):
        jwt.Key.from_secret(DISGUISES[name], "HS256")
    with pytest.raises(KeyRefused):
        jwt.Key.from_jwk({"kty": "oct", "k": encode(DISGUISES[name])}, "HS256")


@pytest.mark.parametrize(
    "secret",
    [
        "correct horse battery staple correct horse",
        "0" * 64,
        "ab" * 32,
        "A" * 43,
        "A" * 64,
        base64.b64encode(b"0" * 48).decode(),
        "{not json" * 8,
        "0\x82" + "x" * 60,
        # hexadecimal digits whose first four are two elements of DER, one within the other
        "0604696d25478a414e3eedc8d4f1c9086d654576a0451f978bdb148d8acdfcce",
        # like DER, but for the first tag, the second, an end too near, an element beyond the end, or its sequence
        "1\x1a\x02\x18" + "x" * 32,
        "0\x1a\x04\x18" + "x" * 32,
        "0\x06\x02\x01x\x02\x01x" + "x" * 32,
        "0\x1a\x02\x7f" + "x" * 32,
        "0\x1a\x02\x1a" + "x" * 32,
        # as long as a point of P-256, and off the curve
        "\x04" + "x" * 64,
        "x" * 65,
    ],
)
def test_plain_secrets_pass(secret: str) -> None:
    assert jwt.Key.from_secret(secret, "HS256") == jwt.Key.from_secret(secret.encode(), "HS256")


def test_random_secrets_pass() -> None:
    for _ in range(300):
        for alg in ("HS256", "HS512"):
            material = decode(jwt.Key.generate(alg).to_jwk(private=True)["k"])
            assert detect_asymmetric_key(material) is None
            assert detect_asymmetric_key(base64.b64encode(material)) is None
            assert detect_asymmetric_key(material.hex().encode()) is None


@pytest.mark.parametrize("secret", [None, 1, ["x" * 32], bytearray(32)])
def test_a_secret_is_bytes_or_text(secret: Any) -> None:
    with pytest.raises(TypeError, match="bytes or text"):
        jwt.Key.from_secret(secret, "HS256")
    with pytest.raises(KeyRefused):
        jwt.Key.from_secret(b"x" * 64, "ES256")
