from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.accounts.account import Account
from sealring.authentication.decision import (
    PROOF_SECONDS,
    TABLE,
    AuthenticationPolicy,
    Complete,
    FactorsShown,
    FactorsWanted,
    NeedsFactor,
    Outcome,
    Refused,
    decide_authentication,
    factors_shown,
)
from sealring.authentication.method import METHODS, PASSWORD, Method
from sealring.authentication.proof import Proof

NOW = 1_700_000_000
ANN = Account(id="ann", name="Ann", canonical_name="ann", password_hash="$argon2id$x", created_at=0)
CODE = Method(
    name="code",
    amr=frozenset({"otp"}),
    factors=frozenset({"possession"}),
    first=False,
    second=True,
    claims=(),
    fields=("code",),
    phishing_resistant=False,
    costs_hash=False,
    single_use=True,
    rate=None,
)
KEY = replace(CODE, name="key", amr=frozenset({"hwk"}), phishing_resistant=True)
PIN = replace(CODE, name="pin", amr=frozenset({"pin"}), factors=frozenset({"knowledge"}))
PASSKEY = replace(
    KEY,
    name="passkey",
    amr=frozenset({"hwk", "user"}),
    factors=frozenset({"possession", "inherence"}),
    first=True,
    guessable=False,
)
POLICY = AuthenticationPolicy(methods=(PASSWORD, CODE, KEY, PIN, PASSKEY))
REQUIRED = replace(POLICY, mfa="required")


def proof(method: Method, *, at: int = NOW, account: str = "ann") -> Proof:
    return Proof(method=method.name, account_id=account, at=at, amr=tuple(sorted(method.amr)))


def decide(*proofs: Proof, policy: AuthenticationPolicy = POLICY, enrolled: frozenset[str] = frozenset()) -> Outcome:
    return decide_authentication(policy, ANN, proofs, NOW, enrolled=enrolled)


def test_the_table_says_what_to_do_in_every_case() -> None:
    assert set(TABLE) == set(product(get_args(FactorsShown), get_args(FactorsWanted)))


def test_a_password_alone_logs_in_an_account_without_a_second_factor() -> None:
    assert decide(proof(PASSWORD)) == Complete(("pwd",), "sfa", NOW)


def test_without_a_proof_every_method_that_can_begin_is_offered() -> None:
    assert decide() == NeedsFactor(("password", "passkey"))
    assert decide(policy=REQUIRED) == NeedsFactor(("password", "passkey"))


def test_an_enrolled_second_factor_is_asked_for() -> None:
    assert decide(proof(PASSWORD), enrolled=frozenset({"code", "key"})) == NeedsFactor(("code", "key"))


def test_two_factors_complete_a_login_and_auth_time_is_that_of_the_older() -> None:
    both = (proof(PASSWORD, at=NOW - 60), proof(CODE))
    assert decide(*both, enrolled=frozenset({"code"})) == Complete(("pwd", "otp", "mfa"), "mfa", NOW - 60)


def test_a_factor_that_cannot_be_phished_is_told_by_acr() -> None:
    assert decide(proof(PASSWORD), proof(KEY)) == Complete(("pwd", "hwk", "mfa"), "phr", NOW)


def test_one_proof_may_show_two_factors() -> None:
    assert decide(proof(PASSKEY), policy=REQUIRED) == Complete(("hwk", "user", "mfa"), "phr", NOW)


def touch(*, at: int = NOW) -> Proof:
    """A passkey that has not verified its user."""
    return replace(proof(PASSKEY, at=at), factors=frozenset({"possession"}))


def test_a_touch_is_a_second_factor_and_begins_nothing() -> None:
    assert decide(proof(PASSWORD), touch()) == Complete(("pwd", "hwk", "user", "mfa"), "phr", NOW)
    assert decide(touch()) == Refused("first proof shows too little")
    assert decide(replace(touch(), factors=PASSKEY.factors)) == decide(proof(PASSKEY))


def test_a_proof_shows_no_factor_that_its_method_has_not() -> None:
    every = replace(proof(CODE), factors=frozenset({"knowledge", "possession", "inherence"}))
    link = replace(CODE, name="link", first=True, claims=("username",))
    policy = AuthenticationPolicy(methods=(PASSWORD, link, CODE))
    assert decide(proof(link), every, policy=policy) == Complete(("otp",), "sfa", NOW)


def test_a_method_that_added_nothing_is_not_asked_for_again() -> None:
    """Else a client could repeat it until the pending login had no room for its proofs."""
    link = replace(CODE, name="link", first=True, claims=("username",))
    policy = AuthenticationPolicy(methods=(link, PASSKEY), mfa="required")
    enrolled = frozenset({"passkey"})
    assert decide(proof(link), policy=policy, enrolled=enrolled) == NeedsFactor(("passkey",))
    assert decide(proof(link), touch(), policy=policy, enrolled=enrolled) == Refused("no second factor")


def test_two_proofs_of_one_kind_are_one_factor() -> None:
    assert factors_shown((PASSWORD, PIN)) == "one factor"
    assert decide(proof(PASSWORD), proof(PIN), enrolled=frozenset({"pin", "code"})) == NeedsFactor(("code",))
    assert decide(proof(PASSWORD), proof(PIN), policy=REQUIRED) == Refused("no second factor")


def test_a_second_factor_that_adds_no_kind_is_not_asked_for() -> None:
    assert decide(proof(PASSWORD), enrolled=frozenset({"pin"})) == Complete(("pwd",), "sfa", NOW)


def test_where_two_factors_are_required_an_account_with_one_is_refused() -> None:
    assert decide(proof(PASSWORD), policy=REQUIRED) == Refused("no second factor")


def test_a_method_that_the_policy_does_not_know_is_not_offered() -> None:
    assert decide(proof(PASSWORD), enrolled=frozenset({"gone"})) == Complete(("pwd",), "sfa", NOW)


@pytest.mark.parametrize(
    ("proofs", "cause"),
    [
        ((proof(PASSWORD, account="bob"),), "proof of another account"),
        ((proof(PASSWORD), proof(CODE, account="bob")), "proof of another account"),
        ((proof(replace(CODE, name="gone", first=True, guessable=False)),), "unknown method"),
        ((proof(CODE),), "method out of order"),
        ((proof(PASSKEY), proof(PASSWORD)), "method out of order"),
        ((proof(PASSWORD, at=NOW - PROOF_SECONDS),), "proof is too old"),
        ((proof(PASSWORD, at=NOW + PROOF_SECONDS),), "proof is too old"),
        ((proof(PASSWORD, at=NOW - PROOF_SECONDS), proof(CODE)), "proof is too old"),
    ],
)
def test_proofs_that_prove_nothing(proofs: tuple[Proof, ...], cause: str) -> None:
    assert decide(*proofs, enrolled=frozenset({"code"})) == Refused(cause)  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0, 1, PROOF_SECONDS - 1, -1, -(PROOF_SECONDS - 1)])
def test_a_proof_counts_for_five_minutes_on_nodes_whose_clocks_differ(seconds: int) -> None:
    assert decide(proof(PASSWORD, at=NOW - seconds)) == Complete(("pwd",), "sfa", NOW - seconds)


def test_an_account_that_is_gone_or_disabled_is_refused_whatever_was_proved() -> None:
    proofs = (proof(PASSWORD), proof(KEY))
    assert decide_authentication(POLICY, None, proofs, NOW) == Refused("unknown account")
    disabled = replace(ANN, status="disabled")
    assert decide_authentication(POLICY, disabled, proofs, NOW) == Refused("account is disabled")


OFF = AuthenticationPolicy(mfa="off")


def test_where_second_factors_are_off_none_is_asked_for() -> None:
    assert decide(proof(METHODS[0]), policy=OFF, enrolled=frozenset({"totp"})) == Complete(("pwd",), "sfa", NOW)


def test_what_stands_in_for_another_factor_is_none_where_there_is_no_other() -> None:
    policy = AuthenticationPolicy()
    alone = decide(proof(METHODS[0]), policy=policy, enrolled=frozenset({"recovery-code"}))
    assert alone == Complete(("pwd",), "sfa", NOW)
    both = decide(proof(METHODS[0]), policy=policy, enrolled=frozenset({"recovery-code", "totp"}))
    assert both == NeedsFactor(("totp", "recovery-code"))


def test_where_two_factors_are_required_an_account_without_one_enrolls_it() -> None:
    policy = AuthenticationPolicy(mfa="required")
    for enrolled in (frozenset[str](), frozenset({"recovery-code"})):
        assert decide(proof(METHODS[0]), policy=policy, enrolled=enrolled) == NeedsFactor(("totp",))


ROWS = st.sampled_from(POLICY.methods)
PROOFS = st.lists(
    st.builds(
        lambda method, late, account: proof(method, at=NOW - late, account=account),
        ROWS,
        st.integers(-2 * PROOF_SECONDS, 2 * PROOF_SECONDS),
        st.sampled_from(["ann", "ann", "ann", "bob"]),
    ),
    max_size=4,
)
ENROLLED = st.frozensets(st.sampled_from([*(method.name for method in POLICY.methods), "gone"]))
POLICIES = st.sampled_from([POLICY, REQUIRED, AuthenticationPolicy(), AuthenticationPolicy(mfa="required"), OFF])


@given(POLICIES, PROOFS, ENROLLED)
def test_a_complete_login_rests_on_what_was_asked(
    policy: AuthenticationPolicy, proofs: list[Proof], enrolled: frozenset[str]
) -> None:
    outcome = decide_authentication(policy, ANN, proofs, NOW, enrolled=enrolled)
    kinds = {kind for each in proofs for row in policy.methods if row.name == each.method for kind in row.factors}
    match outcome:
        case Complete(amr, acr, auth_time):
            assert proofs
            assert {each.account_id for each in proofs} == {"ann"}
            assert all(abs(NOW - each.at) < PROOF_SECONDS for each in proofs)
            assert auth_time == min(each.at for each in proofs)
            assert set(amr) - {"mfa"} == {value for each in proofs for value in each.amr}
            assert ("mfa" in amr) == (acr != "sfa") == (len(kinds) > 1)
            assert policy.mfa != "required" or len(kinds) > 1
        case NeedsFactor(methods):
            rows = {row.name: row for row in policy.methods}
            usable = any(
                row.second and not row.backup and row.name in enrolled and row.factors - kinds for row in policy.methods
            )
            assert methods
            for name in methods:
                assert rows[name].second if proofs else rows[name].first
                enrolls = rows[name].enrolls and policy.mfa == "required" and not usable
                assert not proofs or ((name in enrolled or enrolls) and rows[name].factors - kinds)
        case Refused():
            pass


@given(POLICIES, PROOFS, ENROLLED)
def test_a_proof_less_never_completes_what_was_incomplete(
    policy: AuthenticationPolicy, proofs: list[Proof], enrolled: frozenset[str]
) -> None:
    whole = decide_authentication(policy, ANN, proofs, NOW, enrolled=enrolled)
    fewer_needs = decide_authentication(policy, ANN, proofs, NOW, enrolled=frozenset())
    if isinstance(whole, Complete) and whole.acr == "sfa":
        assert fewer_needs == whole
    if isinstance(fewer_needs, Refused) and fewer_needs.cause != "no second factor":
        assert whole == fewer_needs


def test_the_rows_are_those_that_are_carried_out() -> None:
    assert [row.name for row in METHODS] == ["password", "passkey", "oidc", "email", "totp", "recovery-code"]
    assert AuthenticationPolicy().methods == METHODS


@pytest.mark.parametrize(
    ("methods", "message"),
    [((PASSWORD, PASSWORD), "names of their own"), ((CODE,), "can begin"), ((), "can begin")],
)
def test_a_policy_that_cannot_work_is_refused(methods: tuple[Method, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AuthenticationPolicy(methods=methods)


@pytest.mark.parametrize("name", ["", "-", "Code", "a code", "code2", "\u00e9"])
def test_a_method_has_a_name_that_fits_a_path(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        replace(CODE, name=name)


@pytest.mark.parametrize("empty", [{"amr": frozenset()}, {"factors": frozenset()}, {"second": False}])
def test_a_method_proves_something_at_some_step(empty: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a method needs"):
        replace(CODE, **empty)  # type: ignore[arg-type]


def test_a_method_that_only_begins_a_login_is_not_asked_for_as_a_second() -> None:
    mailed = replace(CODE, name="mailed", first=True, second=False, guessable=False)
    policy = AuthenticationPolicy(methods=(PASSWORD, mailed))
    assert decide(proof(mailed), policy=policy, enrolled=frozenset({"password"})) == Complete(("otp",), "sfa", NOW)


def test_what_can_be_guessed_says_whose_account_it_is() -> None:
    with pytest.raises(ValueError, match="without a claim must say guessable=False"):
        replace(CODE, name="link", first=True)
