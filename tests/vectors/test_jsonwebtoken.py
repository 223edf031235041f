"""What jsonwebtoken 9.0.3 answers, and where we differ: docs/moving/express.md has each difference and why.

Two rows of that page hold for all cases: `exp` is required here unless `require=()`, and an `aud` is refused unless the
caller names an audience or `jwt.ANY`. So every case runs with `require=()`, and with `audience=jwt.ANY` where it names
none.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sealring import jwt
from sealring.errors import KeyRefused, TokenError
from tests.vectors.published import FOLDER, load

VERIFY = load("jsonwebtoken/verify.json")
SIGN = load("jsonwebtoken/sign.json")
DURATIONS = load("jsonwebtoken/durations.json")
PAGE = (Path(__file__).parents[2] / "docs" / "moving" / "express.md").read_text()
# | sign 88 | theirs | ours | reason |
DEVIATIONS = {
    f"{kind} {number}": (theirs, ours)
    for kind, numbers, theirs, ours in re.findall(
        r"^\| (sign|verify) ([0-9, ]+) \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE
    )
    for number in numbers.split(", ")
}


def verify_answer(case: dict[str, Any]) -> str:
    """Return "accepted" with the claims, or the code of the refusal."""
    options = {name: given(value) for name, value in case["options"].items()}
    try:
        token = jwt.verify(
            case["token"], key_of(case["key"]), now=case["now"], **{"require": (), "audience": jwt.ANY} | options
        )
    except (TokenError, KeyRefused) as error:
        return error.code
    return f"accepted {token.claims}"


def recorded_verify_answer(case: dict[str, Any]) -> str:
    return str(case["expect"].get("refused") or f"accepted {case['expect']['claims']}")


def given(value: Any) -> Any:
    if isinstance(value, dict):
        return re.compile(value["src"], re.IGNORECASE if "i" in value["flags"] else 0)
    return [given(item) for item in value] if isinstance(value, list) else value


def key_of(key: dict[str, str]) -> jwt.Key:
    if "secret" in key:
        return jwt.Key.from_secret(key["secret"], "HS256")
    pem = (FOLDER / "jsonwebtoken" / "keys" / key["pem"]).read_bytes()
    return jwt.Key.from_pem(pem, "ES256" if key["pem"].startswith("ecdsa") else "RS256")


def sign_answer(case: dict[str, Any]) -> str:
    """Return the claims that were signed, or "refused"."""
    key = jwt.Key.from_secret(SIGN["secret"], case["algorithm"])
    try:
        token = jwt.sign(case["claims"], key, now=case["now"], **case["options"])
    except (TypeError, ValueError):
        return "refused"
    claims = jwt.verify(token, key, require=(), audience=jwt.ANY, ignore_expiration=True, ignore_not_before=True).claims
    return f"signed {sorted(claims.items())}"


def recorded_sign_answer(case: dict[str, Any]) -> str:
    expect = case["expect"]
    return "refused" if "error" in expect else f"signed {sorted(expect['claims'].items())}"


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case["id"])) for case in VERIFY["cases"]])
def test_verify(case: dict[str, Any]) -> None:
    theirs, ours = recorded_verify_answer(case), verify_answer(case)
    deviation = DEVIATIONS.get(f"verify {case['id']}")
    if deviation:
        assert (theirs.split()[0], ours.split()[0]) == deviation
    elif theirs == "refused":
        assert not ours.startswith("accepted")
    else:
        assert ours == theirs


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case["id"])) for case in SIGN["cases"]])
def test_sign(case: dict[str, Any]) -> None:
    theirs, ours = recorded_sign_answer(case), sign_answer(case)
    deviation = DEVIATIONS.get(f"sign {case['id']}")
    if deviation:
        assert (theirs.split()[0], ours.split()[0]) == deviation
    else:
        assert ours == theirs


@pytest.mark.parametrize("case", [pytest.param(case, id=repr(case["text"])) for case in DURATIONS["cases"]])
def test_durations(case: dict[str, Any]) -> None:
    if case["seconds"] is None:
        with pytest.raises(ValueError, match="duration"):
            jwt.parse_duration(case["text"])
    else:
        assert jwt.parse_duration(case["text"]) == case["seconds"]


def test_every_deviation_of_the_page_is_a_recorded_case() -> None:
    known = {f"verify {case['id']}" for case in VERIFY["cases"]} | {f"sign {case['id']}" for case in SIGN["cases"]}
    assert DEVIATIONS
    assert DEVIATIONS.keys() <= known
