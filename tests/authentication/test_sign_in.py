"""An attempt as text: only ours, only in time, only in its browser."""

from __future__ import annotations

import pytest

from sealring.authentication.pending import digest_of_browser
from sealring.authentication.sign_in import ATTEMPT_SECONDS, MAX_NEXT, Link, SignInAttempt, SignInCodec
from sealring.errors import InvalidPendingLogin
from sealring.jwt.base64url import encode
from sealring.sessions.mac import MacKeys

NOW = 1_900_000_000
KEY, OLD_KEY = b"k" * 32, b"o" * 32
CODEC = SignInCodec([KEY])


def attempt(**fields: object) -> SignInAttempt:
    values: dict[str, object] = {
        "id": "an id",
        "provider": "acme",
        "browser": digest_of_browser("browser"),
        "next": "/orders",
        "redirect_uri": "https://example.com/auth/oidc/acme/callback",
        "expires_at": NOW + ATTEMPT_SECONDS,
    }
    return SignInAttempt(**(values | fields))  # type: ignore[arg-type]


def cause(text: object, *, now: int = NOW, browser: str = "browser") -> str:
    with pytest.raises(InvalidPendingLogin) as refused:
        CODEC.decode(text, now=now, browser=browser)
    return refused.value.cause


@pytest.mark.parametrize("more", [{}, {"link": Link("42", "sid", 7)}, {"new_account": True}, {"fresh": True}])
def test_an_attempt_comes_back_whole(more: dict[str, object]) -> None:
    made = attempt(**more)
    assert CODEC.decode(CODEC.encode(made), now=NOW, browser="browser") == made
    assert CODEC.read(CODEC.encode(made)) == made


def test_an_attempt_is_good_in_time_and_in_its_browser_alone() -> None:
    text = CODEC.encode(attempt())
    assert CODEC.decode(text, now=NOW + ATTEMPT_SECONDS - 1, browser="browser") == attempt()
    assert cause(text, now=NOW + ATTEMPT_SECONDS) == "pending login is too old"
    assert cause(text, now=NOW - ATTEMPT_SECONDS - 1) == "pending login is too old", "a clock that is far behind"
    assert cause(text, browser="another") == "pending login is of another browser"
    without = CODEC.encode(attempt(browser=digest_of_browser("")))
    assert cause(without, browser="") == "pending login is of another browser", "what binds nothing is no browser"


def test_no_other_text_is_ours() -> None:
    text = CODEC.encode(attempt())
    junk = b"[1,2]"
    genuine_junk = encode(MacKeys([KEY], label="provider login 1").sign(junk) + junk)
    for other in (
        None, 5, "", text[1:], text + "A", text[:-1], f"{text} ", text.swapcase(), f"sealring_si1_{genuine_junk}",
        SignInCodec([OLD_KEY]).encode(attempt()), text.replace("sealring_si1_", "sealring_pl1_"),
    ):  # fmt: skip
        assert CODEC.read(other) is None
        assert cause(other) == "not a login of ours"
    for place in range(len("sealring_si1_"), len(text)):
        assert CODEC.read(text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]) is None


def test_a_rotated_key_still_reads() -> None:
    text = SignInCodec([OLD_KEY]).encode(attempt())
    assert SignInCodec([KEY, OLD_KEY]).read(text) == attempt()


def test_the_longest_attempt_fits_and_a_longer_one_is_an_error() -> None:
    longest = attempt(next="/" * MAX_NEXT, link=Link("a" * 22, "s" * 22, 2**40))
    assert CODEC.read(CODEC.encode(longest)) == longest
    with pytest.raises(ValueError, match="at most 2048 characters"):
        CODEC.encode(attempt(next="/" * 2048))


def test_nonce_and_verifier_are_of_one_attempt_and_of_our_key() -> None:
    made = {
        CODEC.nonce(attempt()),
        CODEC.verifier(attempt()),
        CODEC.nonce(attempt(id="2")),
        CODEC.verifier(attempt(id="2")),
        SignInCodec([OLD_KEY]).nonce(attempt()),
    }
    assert len(made) == 5
    assert all(len(one) == 43 for one in made), "RFC 7636 §4.1: 43 characters at least"
    assert CODEC.nonce(attempt()) == CODEC.nonce(attempt(next="/elsewhere"))
