"""The compiled form and what it remembers (design D3)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sealring import jwt
from sealring.errors import Expired, Revoked, TokenError
from tests.jwt.forge import NOW, forge

KEY = jwt.Key.generate("HS256", kid="k")
OTHER = jwt.Key.generate("HS256", kid="other")
CLAIMS: dict[str, Any] = {"sub": "s", "iat": NOW, "exp": NOW + 60}


def code(verifier: jwt.Verifier[Any], token: str, now: float) -> str:
    try:
        verifier.verify(token, now)
    except TokenError as error:
        return error.code
    return "accepted"


@pytest.mark.parametrize(
    ("claims", "policy", "answers"),
    [
        ({}, {}, {NOW: "accepted", NOW + 59.9: "accepted", NOW + 60: "expired", NOW + 61: "expired"}),
        ({}, {"leeway": 5}, {NOW + 64: "accepted", NOW + 65: "expired"}),
        ({"nbf": NOW}, {}, {NOW: "accepted", NOW - 1: "not_yet_valid"}),
        ({}, {"max_age": 30}, {NOW + 29: "accepted", NOW + 30: "too_old", NOW - 1: "not_yet_valid"}),
        ({"iat": NOW, "exp": NOW + 60}, {"max_lifetime": 60}, {NOW: "accepted", NOW - 1: "not_yet_valid"}),
    ],
)
def test_a_hit_asks_the_dates_again(claims: dict[str, Any], policy: dict[str, Any], answers: dict[float, str]) -> None:
    token = forge(KEY, CLAIMS | claims)
    verifier = jwt.Verifier(KEY, **policy)
    assert code(verifier, token, NOW) == ("accepted" if answers.get(NOW, "accepted") == "accepted" else answers[NOW])
    for now, answer in answers.items():
        assert code(verifier, token, now) == answer == code(jwt.Verifier(KEY, **policy), token, now)


def test_without_a_time_the_clock_counts() -> None:
    verifier = jwt.Verifier(KEY)
    assert verifier.verify(jwt.sign({"sub": "s"}, KEY, expires_in="30m")).claims["sub"] == "s"
    with pytest.raises(Expired):
        verifier.verify(jwt.sign({"sub": "s"}, KEY, expires_in="30m", now=NOW - 10**9))


def test_a_known_header_does_not_make_other_text_a_token() -> None:
    token = forge(KEY, CLAIMS)
    verifier = jwt.Verifier(KEY)
    assert code(verifier, token, NOW) == "accepted"  # its header is remembered from now on
    header, payload, signature = token.split(".")
    for text in (f"{header}.{payload}.{payload}.{signature}", f"{header}.{signature}", header):
        assert code(verifier, text, NOW) == "malformed"
    assert code(verifier, f"{header}.{payload}.{payload}", NOW) == "bad_signature"


@pytest.mark.parametrize("claims", [CLAIMS, CLAIMS | {"roles": ["a"], "deep": {"x": [{"y": 1}]}}])
@pytest.mark.parametrize("header", [{"alg": "HS256"}, {"alg": "HS256", "x": {"y": [1]}}])
@pytest.mark.parametrize("cache_size", [0, 10])
def test_what_a_caller_does_to_claims_reaches_nobody_else(
    claims: dict[str, Any], header: dict[str, Any], cache_size: int
) -> None:
    token = forge(KEY, claims, header)
    verifier = jwt.Verifier(KEY, cache_size=cache_size)
    for _ in range(4):
        got = verifier.verify(token, NOW)
        assert got.claims == claims
        assert got.header == header
        got.claims["admin"] = True
        got.claims.get("roles", []).append("admin")
        got.claims.get("deep", {"x": [{}]})["x"][0]["y"] = "admin"
        got.header.get("x", {"y": []})["y"].append("admin")
        got.header["alg"] = "none"


def test_a_token_is_frozen_and_names_its_key() -> None:
    got = jwt.Verifier(KEY).verify(jwt.sign(CLAIMS, KEY), NOW)
    assert got.kid == "k"
    with pytest.raises(AttributeError):
        got.claims = {}  # type: ignore[misc]


def test_memory_is_bounded() -> None:
    verifier = jwt.Verifier(KEY, cache_size=10)
    tokens = [forge(KEY, CLAIMS | {"jti": str(number)}) for number in range(50)]
    cache = verifier._cache
    for token in tokens:
        verifier.verify(token, NOW)
        assert len(cache.young) + len(cache.old) <= 10
    assert len(cache.young) + len(cache.old) >= 5


def test_a_token_in_use_stays_remembered() -> None:
    made: list[str] = []

    def project(token: jwt.Token) -> str:
        made.append(token.claims["jti"])
        return made[-1]

    verifier = jwt.Verifier(KEY, cache_size=8, project=project)
    favourite = forge(KEY, CLAIMS | {"jti": "favourite"})
    for number in range(40):
        assert verifier.verify(favourite, NOW) == "favourite"
        verifier.verify(forge(KEY, CLAIMS | {"jti": str(number)}), NOW)
    assert made.count("favourite") == 1


@pytest.mark.parametrize("cache_size", [0, 1, 2])
def test_small_caches_work(cache_size: int) -> None:
    verifier = jwt.Verifier(KEY, cache_size=cache_size)
    for number in range(5):
        token = forge(KEY, CLAIMS | {"jti": str(number)})
        for _ in range(2):
            assert verifier.verify(token, NOW).claims["jti"] == str(number)
    assert len(verifier._cache.young) <= cache_size


@pytest.mark.parametrize("cache_size", [-1, 1.5, True, None, "10"])
def test_a_cache_size_is_a_number(cache_size: Any) -> None:
    with pytest.raises(ValueError, match="cache_size"):
        jwt.Verifier(KEY, cache_size=cache_size)


def test_a_refused_token_is_not_remembered() -> None:
    verifier = jwt.Verifier(KEY, issuer="i")
    for _ in range(3):
        assert code(verifier, forge(KEY, CLAIMS), NOW) == "wrong_issuer"
        assert code(verifier, forge(OTHER, CLAIMS), NOW) == "bad_signature"
    assert not verifier._cache.young


def test_replaced_keys_let_nothing_in_that_the_old_ones_knew() -> None:
    verifier = jwt.Verifier(jwt.KeySet([KEY, OTHER]))
    ours, theirs = jwt.sign(CLAIMS, KEY), jwt.sign(CLAIMS, OTHER)
    assert [code(verifier, token, NOW) for token in (ours, theirs)] == ["accepted", "accepted"]
    verifier.replace_keys(jwt.KeySet([OTHER]))
    assert [code(verifier, token, NOW) for token in (ours, theirs)] == ["unknown_key", "accepted"]
    verifier.replace_keys(jwt.KeySet([jwt.Key.generate("HS256", kid="other")]))
    assert [code(verifier, token, NOW) for token in (ours, theirs)] == ["unknown_key", "bad_signature"]


def test_a_resolver_is_asked_on_every_hit() -> None:
    keys: dict[str, jwt.Key] = {"k": KEY}
    verifier = jwt.Verifier(lambda header: keys.get(header["kid"]))
    token = jwt.sign(CLAIMS, KEY)
    assert [code(verifier, token, NOW) for _ in range(2)] == ["accepted", "accepted"]
    keys["k"] = jwt.Key.generate("HS256", kid="k")
    assert code(verifier, token, NOW) == "bad_signature"
    del keys["k"]
    assert code(verifier, token, NOW) == "unknown_key"
    keys["k"] = KEY
    assert code(verifier, token, NOW) == "accepted"


def test_a_resolver_may_answer_with_a_set_and_cannot_spoil_the_header() -> None:
    ring = [jwt.KeySet([KEY, OTHER])]

    def resolve(header: dict[str, Any]) -> jwt.KeySet:
        header["alg"] = "none"
        return ring[0]

    verifier = jwt.Verifier(resolve)
    token = jwt.sign(CLAIMS, KEY)
    for _ in range(2):
        assert verifier.verify(token, NOW).header["alg"] == "HS256"
    ring[0] = jwt.KeySet([OTHER])
    assert code(verifier, token, NOW) == "unknown_key"


def test_project_runs_once_and_its_result_is_shared() -> None:
    made = []

    def project(token: jwt.Token) -> tuple[str, str | None]:
        made.append(token)
        return (token.claims["sub"], token.kid)

    verifier = jwt.Verifier(KEY, project=project)
    token = jwt.sign(CLAIMS, KEY)
    results = [verifier.verify(token, NOW) for _ in range(3)]
    assert results[0] == ("s", "k")
    assert results[0] is results[1] is results[2]
    assert len(made) == 1
    assert jwt.Verifier(KEY, project=project, cache_size=0).verify(token, NOW) == ("s", "k")


def test_project_runs_once_for_a_resolver_that_stands_by_its_answer() -> None:
    made: list[jwt.Token] = []
    verifier = jwt.Verifier(lambda _: KEY, project=lambda token: (made.append(token), token.kid)[1])  # type: ignore[func-returns-value]
    token = jwt.sign(CLAIMS, KEY)
    assert [verifier.verify(token, NOW) for _ in range(3)] == ["k", "k", "k"]
    assert len(made) == 1


def test_a_projection_may_refuse() -> None:
    def project(token: jwt.Token) -> str:
        raise Revoked(token.claims["sub"])

    verifier = jwt.Verifier(KEY, project=project)
    assert [code(verifier, jwt.sign(CLAIMS, KEY), NOW) for _ in range(2)] == ["revoked", "revoked"]


def test_headers_are_remembered_only_after_a_good_signature_and_in_bounds() -> None:
    verifier = jwt.Verifier(KEY, cache_size=0)
    headers = verifier._cache.verify_token.__closure__
    assert headers is not None
    (kept,) = [cell.cell_contents for cell in headers if isinstance(cell.cell_contents, dict)]
    for number in range(400):
        assert code(verifier, forge(OTHER, CLAIMS, {"alg": "HS256", "n": number}), NOW) == "bad_signature"
    assert not kept
    for number in range(400):
        assert code(verifier, forge(KEY, CLAIMS, {"alg": "HS256", "n": number}), NOW) == "accepted"
    assert 0 < len(kept) <= 256


def test_many_threads_may_use_one_verifier() -> None:
    verifier = jwt.Verifier(jwt.KeySet([KEY, OTHER]), cache_size=16)
    tokens = [(jwt.sign(CLAIMS | {"jti": str(number)}, KEY), str(number)) for number in range(40)]
    forged = forge(KEY, CLAIMS, {"alg": "HS256", "kid": "other"})
    wrong: list[object] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        for turn in range(150):
            token, jti = tokens[turn % len(tokens)]
            got = verifier.verify(token, NOW)
            if got.claims["jti"] != jti or "mark" in got.claims:
                wrong.append(got)
            got.claims["mark"] = True
            if turn % 10 == 0:
                verifier.replace_keys(jwt.KeySet([KEY, OTHER]))
            if code(verifier, forged, NOW) != "bad_signature":
                wrong.append("forged")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(verifier._cache.young) <= 16
