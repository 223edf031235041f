"""J1-J16 of the attack list, against a verifier set up as one for access tokens is.

Every row is refused, with its code; the baseline beside them is accepted, so no row passes because all is refused.
"""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from sealring import jwt
from sealring.errors import KeyRefused, TokenError
from sealring.jwt.base64url import decode, encode
from tests.jwt.forge import NOW, forge, text_of

TTL, LEEWAY = 1800, 5
KEY = jwt.Key.generate("ES256", kid="current")
RETIRED = jwt.Key.generate("ES256", kid="retired")
NEXT = jwt.Key.generate("ES256", kid="next")
ED = jwt.Key.generate("Ed25519", kid="ed")
KEYS = jwt.KeySet([KEY.public(), NEXT.public(), ED.public()])
ISSUER, AUDIENCE = "https://auth.example.com", "orders"
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "42",
    "client_id": "http",
    "sid": "s",
    "jti": "j",
    "iat": NOW,
    "exp": NOW + TTL,
    "auth_time": NOW,
    "epoch": 1,
    "scope": "orders:read",
}
HEADER = {"alg": "ES256", "kid": "current", "typ": "at+jwt"}
GONE = object()


def access_verifier(keys: Any = KEYS, **changes: Any) -> jwt.Verifier[jwt.Token]:
    policy: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "typ": "at+jwt",
        "leeway": LEEWAY,
        "integer_dates": True,
        "max_lifetime": TTL,
        "require": ("exp", "iat", "sub", "sid", "jti", "epoch"),
    }
    return jwt.Verifier(keys, **policy | changes)


def without_gone(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not GONE}


def token_with(claims: dict[str, Any] | None = None, header: dict[str, Any] | None = None, key: jwt.Key = KEY) -> str:
    return forge(key, without_gone(CLAIMS | (claims or {})), without_gone(HEADER | (header or {})))


def refusal(token: Any, verifier: jwt.Verifier[jwt.Token] | None = None) -> str:
    """Return the code of the refusal; met twice, so that nothing refused is remembered as good."""
    codes = []
    verifier = verifier or access_verifier()
    verifier.verify(token_with(), NOW)
    for _ in range(2):
        with pytest.raises(TokenError) as caught:
            verifier.verify(token, NOW)
        codes.append(caught.value.code)
        assert not isinstance(token, str) or len(token) < 20 or token not in str(caught.value)
    assert codes[0] == codes[1]
    return codes[0]


def test_the_baseline_is_accepted() -> None:
    verifier = access_verifier()
    for _ in range(2):
        assert verifier.verify(token_with(), NOW).claims == CLAIMS


@pytest.mark.parametrize("alg", ["none", "NONE", "nOnE", "none ", "None", ""])
@pytest.mark.parametrize("signature", ["", "AA", "x"])
def test_j1_alg_none(alg: str, signature: str) -> None:
    token = f"{text_of(HEADER | {'alg': alg})}.{text_of(CLAIMS)}.{signature}"
    assert refusal(token) == "unsupported_algorithm"
    assert refusal(token, access_verifier(algorithms=["none", "ES256"])) == "unsupported_algorithm"


def test_j1_an_empty_signature() -> None:
    assert refusal(f"{text_of(HEADER)}.{text_of(CLAIMS)}.") == "bad_signature"


PUBLIC_TEXTS: dict[str, bytes] = {
    "pem": KEY.to_pem(),
    "stripped pem": KEY.to_pem().strip(),
    "der": base64.b64decode(b"".join(KEY.to_pem().splitlines()[1:-1])),
    "raw point": b"\4" + decode(KEY.to_jwk()["x"]) + decode(KEY.to_jwk()["y"]),
    "jwk": json.dumps(KEY.to_jwk()).encode(),
    "jwks": json.dumps(KEYS.to_jwks()).encode(),
}


def hs256_with_any_bytes(secret: bytes, header: dict[str, Any]) -> str:
    """Sign as an attacker would, who has no scruples about the key."""
    import hashlib  # noqa: PLC0415  # only the attacker needs these
    import hmac  # noqa: PLC0415

    signing_input = f"{text_of(header)}.{text_of(CLAIMS)}"
    return f"{signing_input}.{encode(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"


@pytest.mark.parametrize("form", PUBLIC_TEXTS)
def test_j2_a_public_key_as_hmac_secret(form: str) -> None:
    token = hs256_with_any_bytes(PUBLIC_TEXTS[form], HEADER | {"alg": "HS256"})
    assert refusal(token) == "unsupported_algorithm"
    assert refusal(token, access_verifier(algorithms=["HS256", "ES256"])) == "unsupported_algorithm"
    with pytest.raises(KeyRefused):
        jwt.Key.from_secret(PUBLIC_TEXTS[form], "HS256")


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_j3_a_key_in_the_token(member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object) -> None:
        raise AssertionError("a verification opened a socket")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    own = jwt.Key.generate("ES256", kid="current")
    value: dict[str, Any] = {
        "jwk": own.to_jwk(),
        "jku": "http://127.0.0.1:9/jwks",
        "x5u": "http://127.0.0.1:9/x",
        "x5c": [base64.b64encode(own.to_pem()).decode()],
    }
    assert refusal(token_with(header={member: value[member]}, key=own)) == "bad_signature"
    assert refusal(token_with(header={member: value[member], "kid": GONE}, key=own)) == "unknown_key"


@pytest.mark.parametrize(
    ("kid", "code"),
    [
        (GONE, "unknown_key"),
        (1, "malformed"),
        (["current"], "malformed"),
        ({"kid": "current"}, "malformed"),
        (None, "malformed"),
        (True, "malformed"),
        ("x" * 10_000, "too_large"),
        ("x" * 4000, "unknown_key"),
        ("../../dev/null", "unknown_key"),
        ("' OR 1=1--", "unknown_key"),
        ("\0", "unknown_key"),
        ("current\0", "unknown_key"),
        (" current", "unknown_key"),
        ("CURRENT", "unknown_key"),
        ("", "unknown_key"),
        ("unknown", "unknown_key"),
        ("retired", "unknown_key"),
    ],
)
def test_j4_kid(kid: Any, code: str) -> None:
    for signer in (KEY, RETIRED):
        assert refusal(token_with(header={"kid": kid}, key=signer)) == code


def test_j5_the_kid_of_one_key_and_the_signature_of_another() -> None:
    assert refusal(token_with(header={"kid": "next"}, key=KEY)) == "bad_signature"
    assert refusal(token_with(header={"kid": "ed"}, key=KEY)) == "unsupported_algorithm"
    assert refusal(token_with(header={"kid": "ed"}, key=ED)) == "unsupported_algorithm"
    assert refusal(token_with(header={"alg": "ES384"})) == "unsupported_algorithm"
    assert refusal(token_with(header={"alg": "Ed25519"})) == "unsupported_algorithm"
    assert refusal(token_with(header={"alg": "EdDSA", "kid": "ed"}, key=ED)) == "unsupported_algorithm"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"crit": ["x"], "x": 1}, "critical_header"),
        ({"crit": []}, "critical_header"),
        ({"crit": None}, "critical_header"),
        ({"crit": "exp"}, "critical_header"),
        ({"crit": ["alg"]}, "critical_header"),
        ({"crit": ["b64"], "b64": False}, "critical_header"),
        ({"crit": ["b64"], "b64": True}, "critical_header"),
        ({"b64": False}, "critical_header"),
        ({"zip": "DEF"}, "malformed"),
        ({"cty": "JWT"}, "malformed"),
        ({"typ": 1}, "malformed"),
        ({"alg": ["ES256"]}, "malformed"),
        ({"alg": None}, "malformed"),
        ({"alg": GONE}, "unsupported_algorithm"),
    ],
)
def test_j6_critical_and_strange_headers(header: dict[str, Any], code: str) -> None:
    assert refusal(token_with(header=header)) == code


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_j7_names_given_twice(order: slice) -> None:
    for name, other in (("sub", '"admin"'), ("exp", str(NOW + 9)), ("aud", '["orders"]'), ("extra", "1")):
        pairs = [f'"{name}":{json.dumps((CLAIMS | {"extra": 1})[name])}', f'"{name}":{other}'][order]
        rest = json.dumps({key: value for key, value in CLAIMS.items() if key != name}, separators=(",", ":"))[1:-1]
        assert refusal(forge(KEY, f"{{{','.join(pairs)},{rest}}}".encode(), HEADER)) == "malformed"
    header = ['"alg":"none"', '"alg":"ES256"'][order]
    assert refusal(forge(KEY, CLAIMS, f'{{{",".join(header)},"kid":"current","typ":"at+jwt"}}'.encode())) == "malformed"
    header = ['"kid":"next"', '"kid":"current"'][order]
    assert refusal(forge(KEY, CLAIMS, f'{{"alg":"ES256",{",".join(header)},"typ":"at+jwt"}}'.encode())) == "malformed"


TEXT = json.dumps(CLAIMS, separators=(",", ":"))


@pytest.mark.parametrize(
    "payload",
    [
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-32"),
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.replace("42", "\\ud800").encode(),
        TEXT.replace("42", "\0").encode(),
        TEXT.encode() + b"\0",
        TEXT.encode() + b"{}",
        TEXT.encode() + b"x",
        TEXT.encode()[:-1],
        TEXT.replace("42", "\xff").encode("latin-1"),
        b"",
        b"null",
        b"[]",
        b"1",
        b'"text"',
        b"[" + TEXT.encode() + b"]",
    ],
)
def test_j8_payloads_that_are_no_strict_json_object(payload: bytes) -> None:
    assert refusal(forge(KEY, payload, HEADER)) == "malformed"


@pytest.mark.parametrize(
    ("exp", "code"),
    [
        (GONE, "missing_claim"),
        ("123", "bad_claim"),
        (str(NOW + 60), "bad_claim"),
        (10**30, "bad_claim"),
        (-1, "bad_claim"),
        (True, "bad_claim"),
        (None, "bad_claim"),
        (1.5, "bad_claim"),
        (NOW + 60.5, "bad_claim"),
        (2**63, "bad_claim"),
        (2**53, "bad_claim"),
        ([NOW + 60], "bad_claim"),
        ({}, "bad_claim"),
    ],
)
def test_j9_exp(exp: Any, code: str) -> None:
    assert refusal(token_with({"exp": exp})) == code
    for name in ("iat", "nbf"):
        if exp is not GONE:
            assert refusal(token_with({name: exp})) == code


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity", "9" * 5000])
def test_j9_numbers_that_are_none(number: str) -> None:
    payload = TEXT.replace(f'"exp":{NOW + TTL}', f'"exp":{number}')
    assert payload != TEXT
    assert refusal(forge(KEY, payload.encode(), HEADER)) == "malformed"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": NOW + TTL + LEEWAY + 1}, "bad_claim"),
        ({"iat": NOW + LEEWAY + 1, "exp": NOW + TTL}, "not_yet_valid"),
        ({"nbf": NOW + LEEWAY + 1}, "not_yet_valid"),
        ({"iat": GONE}, "missing_claim"),
        ({"iat": NOW - TTL - LEEWAY, "exp": NOW - LEEWAY}, "expired"),
    ],
)
def test_j10_lives_that_are_too_long_or_not_begun(claims: dict[str, Any], code: str) -> None:
    assert refusal(token_with(claims)) == code


def test_j10_the_edges_are_accepted() -> None:
    for claims in (
        {"exp": NOW + TTL + LEEWAY},
        {"iat": NOW + LEEWAY},
        {"nbf": NOW + LEEWAY},
        {"iat": NOW - TTL - LEEWAY, "exp": NOW - LEEWAY + 1},
    ):
        assert access_verifier().verify(token_with(claims), NOW).claims["sub"] == "42"


@pytest.mark.parametrize(
    "typ",
    [
        GONE,
        "JWT",
        "refresh+jwt",
        "csrf",
        "id+jwt",
        "at",
        "at+jwt ",
        "at+jwt;x",
        "x/at+jwt",
        "application/application/at+jwt",
        "",
        "AT\u212aJWT",
    ],
)
def test_j11_another_kind_of_token(typ: Any) -> None:
    assert refusal(token_with(header={"typ": typ})) == "wrong_type"


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "APPLICATION/AT+JWT"])
def test_j11_media_types_compare_without_case(typ: str) -> None:
    assert access_verifier().verify(token_with(header={"typ": typ}), NOW).header["typ"] == typ


def test_j11_letters_that_only_look_alike_when_lowered() -> None:
    verifier = jwt.Verifier(KEY, audience=AUDIENCE, typ="k+jwt")
    assert verifier.verify(forge(KEY, CLAIMS, {"alg": "ES256", "typ": "K+JWT"}), NOW).claims == CLAIMS
    with pytest.raises(TokenError) as caught:
        verifier.verify(forge(KEY, CLAIMS, {"alg": "ES256", "typ": "\u212a+jwt"}), NOW)
    assert caught.value.code == "wrong_type"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": ISSUER + "/"}, "wrong_issuer"),
        ({"iss": ISSUER[:-1]}, "wrong_issuer"),
        ({"iss": ISSUER[1:]}, "wrong_issuer"),
        ({"iss": ISSUER.upper()}, "wrong_issuer"),
        ({"iss": [ISSUER]}, "bad_claim"),
        ({"iss": ""}, "wrong_issuer"),
        ({"iss": GONE}, "wrong_issuer"),
        ({"iss": None}, "bad_claim"),
        ({"aud": "order"}, "wrong_audience"),
        ({"aud": "orders2"}, "wrong_audience"),
        ({"aud": ["billing"]}, "wrong_audience"),
        ({"aud": []}, "wrong_audience"),
        ({"aud": GONE}, "wrong_audience"),
        ({"aud": None}, "bad_claim"),
        ({"aud": {"orders": 1}}, "bad_claim"),
        ({"aud": ["orders", 1]}, "bad_claim"),
        ({"aud": [["orders"]]}, "bad_claim"),
    ],
)
def test_j12_issuer_and_audience(claims: dict[str, Any], code: str) -> None:
    assert refusal(token_with(claims)) == code


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], "other", [], "", None, 1])
def test_j12_a_token_for_somebody_is_not_taken_by_a_verifier_that_names_no_audience(aud: Any) -> None:
    """RFC 7519 §4.1.3: whoever does not identify itself with a value of `aud` must reject the token."""
    token = token_with({"aud": aud})
    policies: tuple[dict[str, Any], ...] = ({}, {"issuer": ISSUER, "audience": None})
    for options in policies:
        with pytest.raises(TokenError) as caught:
            jwt.verify(token, KEYS, now=NOW, **options)
        assert caught.value.code == ("wrong_audience" if isinstance(aud, str | list) else "bad_claim")
    with pytest.raises(TokenError):
        access_verifier(audience=None).verify(token, NOW)
    assert access_verifier(audience=None).verify(token_with({"aud": GONE}), NOW).claims["sub"] == "42"
    assert access_verifier(audience=jwt.ANY).verify(token_with({"aud": "other"}), NOW).claims["sub"] == "42"


def _padded(header: str, payload: str, signature: str) -> list[str]:
    return [
        f"{header}=.{payload}.{signature}",
        f"{header}.{payload}=.{signature}",
        f"{header}.{payload}.{signature}==",
        f"{header}.{payload}.{signature}=",
    ]


def _white(header: str, payload: str, signature: str) -> list[str]:
    token = f"{header}.{payload}.{signature}"
    spots = [0, 5, len(header), len(header) + 1, len(header) + len(payload) + 1, len(token) - 3, len(token)]
    return [
        token[:spot] + white + token[spot:]
        for spot in spots
        for white in (" ", "\n", "\t", "\r\n", "\0", "\xa0", "\u200b", "\ud800")
    ]


def _parts(header: str, payload: str, signature: str) -> list[str]:
    return [
        "",
        ".",
        "..",
        "...",
        header,
        f"{header}.{payload}",
        f"{header}.{payload}.{signature}.",
        f".{header}.{payload}.{signature}",
        f"{header}.{payload}.{signature}.x",
        f"{header}.{payload}.{signature}.x.y",
        f"{header}..{payload}.{signature}",
        f"Bearer {header}.{payload}.{signature}",
        f"{header}..{signature}",
        f".{payload}.{signature}",
        json.dumps({"protected": header, "payload": payload, "signature": signature}),
        json.dumps({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}),
        "....",
        "a.b.c.d.e",
    ]


@pytest.mark.parametrize("spell", [_padded, _white, _parts])
def test_j13_every_other_spelling(spell: Callable[[str, str, str], list[str]]) -> None:
    for token in spell(*token_with().split(".")):
        assert refusal(token) in ("malformed", "bad_signature", "unsupported_algorithm")


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # as in production: the decoder's warning must not be what refuses
def test_j13_stray_bits_and_the_other_alphabet_even_when_signed() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    tried = set()
    for length in range(3):
        payload = text_of(CLAIMS | {"sub": "x" * length + "??>>" * 3})
        last = alphabet[alphabet.index(payload[-1]) ^ 1]
        others = {
            "stray": payload[:-1] + last if len(payload) % 4 else payload,
            "padded": payload + "=" * (-len(payload) % 4),
            "plus": payload.replace("-", "+"),
            "slash": payload.replace("_", "/"),
        }
        for name, other in others.items():
            if other != payload:
                tried.add(name)
                assert refusal(forge(KEY, other, HEADER)) == "malformed"
    assert tried == {"stray", "padded", "plus", "slash"}


def test_j13_stray_bits_in_a_signature() -> None:
    header, payload, signature = token_with().split(".")
    stray = signature[:-1] + chr(ord(signature[-1]) + 1)  # 64 bytes leave four bits over: the last of A, Q, g, w
    assert refusal(f"{header}.{payload}.{stray}") == "malformed"


N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # the order of P-256
L = 2**252 + 27742317777372353535851937790883648493  # of edwards25519


def _signature(token: str) -> tuple[str, bytes]:
    signing_input, _, signature = token.rpartition(".")
    return signing_input, decode(signature)


def test_j14_signatures_with_numbers_out_of_range() -> None:
    signing_input, raw = _signature(token_with())
    r, s = raw[:32], raw[32:]
    numbers = [
        (bytes(32), s),
        (r, bytes(32)),
        (bytes(32), bytes(32)),
        (N.to_bytes(32, "big"), s),
        (r, N.to_bytes(32, "big")),
        (b"\xff" * 32, s),
    ]
    for pair in [*(a + b for a, b in numbers), raw[:-1], raw + b"\0", raw[:32], b"\0" + raw, r + b"\0" + s]:
        assert refusal(f"{signing_input}.{encode(pair)}") in ("bad_signature", "malformed")
    signing_input, raw = _signature(token_with(header={"alg": "Ed25519", "kid": "ed"}, key=ED))
    larger = (int.from_bytes(raw[32:], "little") + L).to_bytes(32, "little")
    for pair in (raw[:32] + larger, raw[:32] + bytes(32), bytes(32) + raw[32:], raw[:-1], raw + b"\0"):
        assert refusal(f"{signing_input}.{encode(pair)}") in ("bad_signature", "malformed")


def test_j14_a_twin_signature_is_another_text_of_the_same_session() -> None:
    signing_input, raw = _signature(token_with())
    twin = f"{signing_input}.{encode(raw[:32] + (N - int.from_bytes(raw[32:], 'big')).to_bytes(32, 'big'))}"
    verifier = access_verifier()
    assert twin != token_with()
    # revocation goes by what the token says, never by its text
    assert verifier.verify(token_with(), NOW).claims["sid"] == verifier.verify(twin, NOW).claims["sid"]


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("x" * 8193, "too_large"),
        ("x" * 1_000_000, "too_large"),
        ("." * 1_000_000, "too_large"),
        (f"{'e30.' * 400_000}", "too_large"),
        (forge(KEY, CLAIMS | {"x": "x" * 6200}, HEADER), "too_large"),
        (forge(KEY, {f"c{n}": n for n in range(10_000)}, HEADER), "too_large"),
        (forge(KEY, b"[" * 100_000, HEADER), "too_large"),
        (forge(KEY, b"[" * 5000, HEADER), "malformed"),
        (forge(KEY, b'{"a":' * 900 + b"1" + b"}" * 900, HEADER), "malformed"),
        (forge(KEY, b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", HEADER), "malformed"),
        (
            forge(KEY, TEXT.replace("42", "9" * 5000).encode().replace(b'"' + b"9" * 5000 + b'"', b"9" * 5000), HEADER),
            "malformed",
        ),
        (forge(KEY, CLAIMS, b'{"alg":"ES256","kid":"current","x":' + b"[" * 3000), "malformed"),
    ],
)
def test_j15_tokens_out_of_proportion(token: str, code: str) -> None:
    assert refusal(token) == code


def test_j15_the_longest_token_that_is_read() -> None:
    room = 8192 - len(forge(KEY, CLAIMS | {"x": ""}, HEADER))
    token = forge(KEY, CLAIMS | {"x": "x" * (room * 3 // 4)}, HEADER)
    assert 8188 <= len(token) <= 8192
    assert access_verifier().verify(token, NOW).claims["sub"] == "42"


def test_j16_the_same_key_in_another_place() -> None:
    assert refusal(token_with({"iss": "https://auth.staging.example.com"})) == "wrong_issuer"
    assert refusal(token_with({"aud": "billing"})) == "wrong_audience"
    billing = access_verifier(audience="billing")
    with pytest.raises(TokenError) as caught:
        billing.verify(token_with(), NOW)
    assert caught.value.code == "wrong_audience"
