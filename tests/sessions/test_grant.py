"""What a subject may do: which subjects, scopes and authentication names there are, and how others are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from sealring.sessions.grant import MAX_AUTHENTICATION, Grant, check_acr, check_amr, check_subject, scope_tokens


@pytest.mark.parametrize("subject", ["4", "x" * 255, "Jürgen 5"])
def test_a_subject_is_printable_text(subject: str) -> None:
    check_subject(subject)


@pytest.mark.parametrize("subject", ["", "x" * 256, "a\nb", "\u200b", "\ud800"])
def test_a_subject_is_printable_text_of_bounded_length(subject: str) -> None:
    with pytest.raises(ValueError, match="subject must be 1 to 255 printable characters"):
        check_subject(subject)


@pytest.mark.parametrize("subject", [42, None, b"42", ["42"]])
def test_a_subject_is_text(subject: object) -> None:
    with pytest.raises(TypeError, match=f"subject must be text, not {type(subject).__name__}"):
        check_subject(subject)


def test_every_character_of_rfc_6749_can_stand_in_a_scope() -> None:
    letters = [chr(code) for code in (0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F))]
    assert scope_tokens(letters) == tuple(letters)


@pytest.mark.parametrize("scope", ["", "a b", 'a"b', "a\\b", "é", "a\x7f", "a\n", "\x00"])
def test_a_scope_is_a_scope_token_of_rfc_6749(scope: str) -> None:
    with pytest.raises(ValueError, match="is not a scope token of RFC 6749"):
        scope_tokens(["good", scope])


@pytest.mark.parametrize("scopes", ["orders:read", b"orders:read", 5, None, [5], ["orders:read", None], [["a"]]])
def test_scopes_are_a_list_of_strings(scopes: Any) -> None:
    with pytest.raises(TypeError, match=r'scopes must be a list of strings, as in \["orders:read"\]'):
        scope_tokens(scopes)


NOT_JSON: list[tuple[Any, str]] = [
    ({"at": datetime.now(UTC)}, "claim 'at' holds a value that is not JSON"),
    ({"price": Decimal("1.5")}, "claim 'price' holds"),
    ({"id": UUID(int=1)}, "claim 'id' holds"),
    ({"roles": {"a"}}, "claim 'roles' holds"),
    ({"raw": b"x"}, "claim 'raw' holds"),
    ({5: "x"}, "claim names must be text, not int"),
    ({"deep": [{"n": float("nan")}]}, "claim 'deep' holds a number that is not finite"),
    ({"text": "\ud800"}, "claim 'text' holds half of a surrogate pair"),
    ({"deep": {"\ud800": 1}}, "claim 'deep' holds half of a surrogate pair"),
    ({"\ud800": 1}, "holds half of a surrogate pair"),
    ({"deep": {5: 1}}, "claim 'deep' holds a name"),
    ({"big": 10**5000}, "claim 'big' holds an integer that is too long"),
    (["x"], "claims must be a mapping"),
    ({"sub": "x"}, "claim 'sub' is set by the issuer"),
]


@pytest.mark.parametrize(("claims", "words"), NOT_JSON)
def test_a_grant_holds_only_claims_that_a_token_can_carry(claims: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        Grant([], claims)


def test_claims_that_hold_themselves_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested too deeply"):
        Grant([], {"deep": endless})


def test_a_grant_holds_only_scope_tokens_and_does_not_change() -> None:
    with pytest.raises(ValueError, match="is not a scope token"):
        Grant(["two words"])
    scopes, deep = ["a", "a"], {"b": [1]}
    grant = Grant(scopes, {"deep": MappingProxyType(deep)})
    scopes.append("c")
    deep["b"].append(2)
    assert (grant.scopes, grant.claims) == (("a",), {"deep": {"b": (1,)}})


def test_an_amr_is_a_list_of_names_each_once() -> None:
    assert check_amr(["pwd", "otp", "pwd"]) == ("pwd", "otp")
    assert check_amr(()) == ()
    most = [f"{number}".rjust(MAX_AUTHENTICATION, "x") for number in range(MAX_AUTHENTICATION)]
    assert check_amr(most) == tuple(most)


@pytest.mark.parametrize("amr", ["pwd", b"pwd", 5, None, [5], [None]])
def test_an_amr_of_another_type_is_the_callers_mistake(amr: Any) -> None:
    with pytest.raises(TypeError, match="amr"):
        check_amr(amr)


@pytest.mark.parametrize(
    ("amr", "named"),
    [
        ([""], "must not be empty"),
        (["pwd", "x" * 65], "at most 64 printable characters"),
        (["p\0"], "at most 64 printable characters"),
        ([str(place) for place in range(65)], "at most 64 names"),
    ],
)
def test_an_amr_holds_a_bounded_number_of_short_names(amr: list[str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        check_amr(amr)


def test_an_acr_is_one_short_name_or_empty() -> None:
    assert check_acr("") == ""
    assert check_acr("x" * 64) == "x" * 64
    for wrong in ("x" * 65, "a\nb"):
        with pytest.raises(ValueError, match="acr must be at most 64 printable characters"):
            check_acr(wrong)


@pytest.mark.parametrize("acr", [5, None, ["mfa"], ()])
def test_an_acr_is_text(acr: Any) -> None:
    with pytest.raises(TypeError, match=f"acr must be text, not {type(acr).__name__}"):
        check_acr(acr)
