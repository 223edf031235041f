from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sealring.http.cookies import MAX_COOKIE_BYTES
from sealring.http.credentials import PresentedToken, find_credential
from sealring.http.request_errors import CookiesTooLarge, InvalidRequest

ACCESS = b"__Host-sealring_access"


def authorization(value: bytes) -> tuple[bytes, bytes]:
    return b"authorization", value


def cookie(value: bytes) -> tuple[bytes, bytes]:
    return b"cookie", ACCESS + b"=" + value


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
def test_the_scheme_is_read_in_any_case(scheme: bytes) -> None:
    assert find_credential([authorization(scheme + b" a.b-c_~+/=")], ACCESS) == PresentedToken(
        "a.b-c_~+/=", from_cookie=False
    )


@pytest.mark.parametrize("scheme", [b"DPoP", b"dpop", b"DPOP"])
def test_the_scheme_dpop_brings_a_token_that_has_a_proof(scheme: bytes) -> None:
    # RFC 9449 §7.1
    found = find_credential([authorization(scheme + b" a.b-c_~+/=")], ACCESS)
    assert found == PresentedToken("a.b-c_~+/=", from_cookie=False, with_proof=True)


@pytest.mark.parametrize("value", [b"DPoP", b"DPoP ", b"DPoP a b", b'DPoP "a"', b"DPoP\ta"])
def test_c9_a_malformed_token_of_the_scheme_dpop_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest):
        find_credential([authorization(value)], ACCESS)


@pytest.mark.parametrize("spaces", [1, 2, 3, 1000])
def test_c9_one_or_more_spaces_stand_between_scheme_and_token(spaces: int) -> None:
    # RFC 6750 §2.1, RFC 9110 §11.4: 1*SP
    found = find_credential([authorization(b"Bearer" + b" " * spaces + b"a.b")], ACCESS)
    assert found == PresentedToken("a.b", from_cookie=False)


def test_the_cookie_brings_the_token_where_it_may() -> None:
    assert find_credential([cookie(b"a.b.c")], ACCESS) == PresentedToken("a.b.c", from_cookie=True)
    assert find_credential([cookie(b"a.b.c")], None) is None


def test_a_split_cookie_field_is_one_list() -> None:
    fields = [(b"cookie", b"a=1"), cookie(b"t"), (b"cookie", b"z=1")]
    assert find_credential(fields, ACCESS) == PresentedToken("t", from_cookie=True)
    assert find_credential([cookie(b"t"), cookie(b"t")], ACCESS) is None


@pytest.mark.parametrize(
    "fields", [[], [(b"host", b"x")], [(b"cookie", b"theme=dark")], [(b"proxy-authorization", b"Bearer x")]]
)
def test_no_credential_is_none(fields: list[tuple[bytes, bytes]]) -> None:
    assert find_credential(fields, ACCESS) is None


@pytest.mark.parametrize(
    "value", [b"Basic dXNlcjpwYXNz", b"Negotiate", b'Digest username="x"', b"BearerX abc", b"DPoPX abc"]
)
def test_another_scheme_is_no_credential_of_ours_and_leaves_the_cookie_in_force(value: bytes) -> None:
    assert find_credential([authorization(value)], ACCESS) is None
    assert find_credential([authorization(value), cookie(b"t")], ACCESS) == PresentedToken("t", from_cookie=True)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer  ",
        b"Bearer\ta",
        b"Bearer \ta",
        b"Bearer\t a",
        b"Bearer  a b",
        b"Bearer \xa0a",
        b"Bearer a b",
        b"Bearer a,",
        b"Bearer a, Bearer b",
        b"Bearer: a",
        b"Bearer=a",
        b'Bearer "a"',
        b"Bearer a\x00",
        b"Bearer \xe9",
        b" Bearer a",
        b"\xffearer a",
        b"@",
    ],
)
def test_a_malformed_field_is_an_invalid_request(value: bytes) -> None:
    with pytest.raises(InvalidRequest):
        find_credential([authorization(value)], ACCESS)


@pytest.mark.parametrize(
    "fields",
    [
        [authorization(b"Bearer a"), authorization(b"Bearer a")],
        [authorization(b"Basic a"), authorization(b"Bearer a")],
        [authorization(b"Bearer a"), cookie(b"a")],
        [cookie(b"a"), authorization(b"Bearer a")],
    ],
)
def test_two_credentials_are_an_invalid_request(fields: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(InvalidRequest):
        find_credential(fields, ACCESS)


def test_n12_a_cookie_in_a_crowd_is_refused_unless_a_bearer_token_came() -> None:
    crowd = (b"cookie", ACCESS + b"=t; " + b"p" * MAX_COOKIE_BYTES)
    with pytest.raises(CookiesTooLarge):
        find_credential([crowd], ACCESS)
    assert find_credential([authorization(b"Bearer a"), crowd], ACCESS) == PresentedToken("a", from_cookie=False)


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"cookie", b"x"]), st.binary(max_size=50)), max_size=4))
@example([authorization(b"Bearer \x80")])
def test_any_bytes_give_a_credential_none_or_our_refusal(fields: list[tuple[bytes, bytes]]) -> None:
    try:
        found = find_credential(fields, ACCESS)
    except InvalidRequest:
        return
    assert found is None or (found.token.isascii() and found.token)


def test_a_credential_does_not_print_its_token() -> None:
    assert "hunter2" not in repr(PresentedToken("hunter2", from_cookie=False))


def test_a_field_that_comes_again_is_read_once_and_a_long_one_every_time() -> None:
    def token_of(length: int) -> str:
        found = find_credential([(b"authorization", b"Bearer " + b"a" * length)], None)
        assert found is not None
        return found.token

    assert token_of(700) is token_of(700)
    assert token_of(3000) == token_of(3000)
    assert token_of(3000) is not token_of(3000)
