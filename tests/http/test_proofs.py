from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sealring.errors import InvalidProof, ProofNonceRequired
from sealring.http.proofs import DATE_SECONDS, ProofChecker, bound_key, full_path
from sealring.jwt.dpop import hash_of
from sealring.sessions.proof_nonce import ProofNonces
from sealring.testing import principal
from sealring.verifier.proof_memory import ProofMemory
from tests.proofs import KEY, ORIGIN, claims, signed

NOW = 1_700_000_040
NONCES = ProofNonces([b"k" * 32])
PATH = "/auth/token"


def checker(*, needs_nonce: bool = False, now: int = NOW, memory: ProofMemory | None = None) -> ProofChecker:
    return ProofChecker(
        origins=frozenset({ORIGIN, "https://a.example"}),
        nonces=NONCES,
        memory=memory or ProofMemory(240),
        now_ms=lambda: now * 1000,
        needs_nonce=needs_nonce,
    )


def scope(*proofs: str, **changes: Any) -> dict[str, Any]:
    fields = [(b"dpop", proof.encode()) for proof in proofs]
    return {"type": "http", "method": "POST", "path": PATH, "root_path": "", "headers": fields} | changes


def proof(**changes: Any) -> str:
    return signed(claims(**({"iat": NOW} | changes)))


def test_a_good_proof_gives_its_key() -> None:
    assert checker().check(scope(proof())).thumbprint == KEY.thumbprint


def test_a_principal_has_the_key_that_its_token_names_or_none() -> None:
    assert bound_key(principal("42", claims={"tenant": "t1"})) == ""
    bound = replace(principal("42"), claims={"cnf": {"jkt": KEY.thumbprint}})
    assert bound_key(bound) == KEY.thumbprint


@pytest.mark.parametrize("sent", [(), (proof(), proof()), (f"{proof()}, {proof()}",)])
def test_check_1_there_is_one_field(sent: tuple[str, ...]) -> None:
    with pytest.raises(InvalidProof):
        checker().check(scope(*sent))


@pytest.mark.parametrize("method", ["GET", "post", "PUT"])
def test_check_8_another_method_is_refused(method: str) -> None:
    with pytest.raises(InvalidProof, match="method"):
        checker().check(scope(proof(htm=method)))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/auth/token",
        "https://127.0.0.1:8000/auth/token",
        "https://evil.example/auth/token",
        "https://a.example.evil.example/auth/token",
        "https://a.example:444/auth/token",
        "https://user@a.example/auth/token",
        "/auth/token",
        "not a url",
        "https://",
        "https://a.example:port/auth/token",
        "https://[::1/auth/token",
    ],
)
def test_check_9_another_origin_is_refused(url: str) -> None:
    with pytest.raises(InvalidProof, match=r"origin|http URL"):
        checker().check(scope(proof(htu=url)))


@pytest.mark.parametrize("path", ["", "/", "/auth/token/", "/auth", "/auth/Token", "/auth/x/../token", "//auth/token"])
def test_check_9_another_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidProof, match="path"):
        checker().check(scope(proof(htu=ORIGIN + path)))


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/auth/token",
        "HTTPS://A.Example:443/auth/token",
        f"{ORIGIN}/auth/token?page=2#top",  # RFC 9449 §4.3: query and fragment are ignored
        f"{ORIGIN}/auth/%74oken",
    ],
)
def test_check_9_the_same_target_in_other_words_is_good(url: str) -> None:
    checker().check(scope(proof(htu=url)))


@pytest.mark.parametrize("host", [b"evil.example", b"127.0.0.1:8000"])
def test_c12_the_host_field_decides_nothing(host: bytes) -> None:
    sent = scope(proof(htu="https://evil.example/auth/token"))
    sent["headers"].append((b"host", host))
    with pytest.raises(InvalidProof, match="origin"):
        checker().check(sent)


@pytest.mark.parametrize(
    ("path", "root"),
    [("/shop/orders", "/shop"), ("/orders", "/shop"), ("/shop/orders", ""), ("/shop/orders", "/shop/")],
)
def test_check_9_a_mounted_application_is_asked_for_the_whole_path(path: str, root: str) -> None:
    assert full_path({"path": path, "root_path": root}) == "/shop/orders"
    checker().check(scope(proof(htu=f"{ORIGIN}/shop/orders"), path=path, root_path=root))


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_websocket_is_opened_by_a_get_of_either_scheme(scheme: str) -> None:
    sent = scope(proof(htm="GET", htu=f"{scheme}://127.0.0.1:8000/live"), type="websocket", path="/live")
    del sent["method"]
    checker().check(sent)


@pytest.mark.parametrize("needs_nonce", [True, False])
@pytest.mark.parametrize("nonce", ["", "x", ProofNonces([b"o" * 32]).at(NOW), NONCES.at(NOW - 300)])
def test_check_10_a_nonce_that_is_not_of_ours_and_of_these_minutes_is_asked_for_again(
    nonce: str, *, needs_nonce: bool
) -> None:
    with pytest.raises(ProofNonceRequired if nonce else InvalidProof) as refused:
        checker(needs_nonce=needs_nonce).check(scope(proof(nonce=nonce)))
    if nonce:
        assert NONCES.is_recent(refused.value.nonce, NOW)  # type: ignore[attr-defined]


@pytest.mark.parametrize("issued_at", [0, NOW - 86_400, NOW + 86_400, NOW, 2.5e300])
def test_check_10_with_a_nonce_the_clock_of_the_client_does_not_matter(issued_at: float) -> None:
    checker(needs_nonce=True).check(scope(proof(iat=issued_at, nonce=NONCES.at(NOW))))


def test_check_10_where_a_nonce_is_needed_a_date_does_not_do() -> None:
    with pytest.raises(ProofNonceRequired):
        checker(needs_nonce=True).check(scope(proof()))


@pytest.mark.parametrize(
    ("age", "good"),
    [(DATE_SECONDS, True), (-DATE_SECONDS, True), (DATE_SECONDS + 1, False), (-DATE_SECONDS - 1, False)],
)
def test_check_11_a_date_that_is_far_from_now_is_asked_for_again_with_a_nonce(age: int, *, good: bool) -> None:
    sent = scope(proof(iat=NOW - age))
    if good:
        checker().check(sent)
        return
    with pytest.raises(ProofNonceRequired):
        checker().check(sent)


def test_check_11_a_proof_counts_once_and_for_every_guard_of_its_request() -> None:
    one, text = checker(), proof()
    first = scope(text)
    one.check(first)
    one.check(first)
    one.check({**first, "path": PATH})  # a mounted application has a copy of the scope
    with pytest.raises(InvalidProof, match="before"):
        one.check(scope(text))


def test_what_is_refused_takes_no_room() -> None:
    one, text = checker(memory=ProofMemory(240, most=1)), proof(ath=hash_of("token"))
    for thumbprint in ("another", KEY.thumbprint):
        sent = scope(text)
        if thumbprint == "another":
            with pytest.raises(InvalidProof, match="another key"):
                one.check(sent, token="token", thumbprint=thumbprint)
        else:
            one.check(sent, token="token", thumbprint=thumbprint)


@pytest.mark.parametrize("ath", [None, hash_of("other"), "token"])
def test_check_12_the_proof_is_of_the_token(ath: str | None) -> None:
    with pytest.raises(InvalidProof, match="access token"):
        checker().check(scope(proof(ath=ath)), token="token", thumbprint=KEY.thumbprint)


def test_check_12_the_token_is_bound_to_the_key() -> None:
    sent = scope(proof(ath=hash_of("token")))
    with pytest.raises(InvalidProof, match="another key"):
        checker().check(sent, token="token", thumbprint="another")
    checker().check(sent, token="token", thumbprint=KEY.thumbprint)
