"""`users`, `sessions`, `audit`: what an operator does to accounts, as a transcript."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path

import pyotp
import pytest

from sealring import Sealring
from sealring.authentication.client_info import ClientInfo
from sealring.errors import SealringError
from sealring.issuer.factors import Caller
from sealring.testing.store_contract.samples import an_account, an_event
from tests.cli.conftest import Shell
from tests.serving import OTHER_PASSWORD, PASSWORD


def log_in(name: str = "ada", password: str = PASSWORD) -> tuple[str, str] | str:
    """Session and refresh token of a log-in as the server would do it, or the code of the refusal."""

    async def work() -> tuple[str, str] | str:
        auth = Sealring()
        await auth.open()
        try:
            entered = await auth.log_in(name, password, address="192.0.2.7", user_agent="curl/8")
        except SealringError as error:
            return error.code
        else:
            return entered.issued.session.id, entered.issued.refresh_token
        finally:
            await auth.close()

    return asyncio.run(work())


def test_an_invitation_is_printed_alone(shell: Shell, folder: Path) -> None:
    shell("init")
    said = shell("users invite --expires 2d")
    assert re.fullmatch(r"\S{32}\n", said.out)
    assert "SEALRING_REGISTRATION=invited" in said.err
    assert shell("users invite --expires soon").code == 2
    assert shell("users invite --expires 0").code != 0
    for much in ("366d", "9999999999d", "1.5s"):
        said_no = shell(f"users invite --expires {much}")
        assert (said_no.code, said_no.out) == (2, "")
        assert "from 1s to 365d" in said_no.error
    assert [line for line in shell("audit").out.splitlines() if "invitation_created" in line]
    assert not [file for file in folder.iterdir() if said.out.strip().encode() in file.read_bytes()]


def test_where_registration_is_closed_no_invitation_is_printed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell("init")
    monkeypatch.setenv("SEALRING_REGISTRATION", "closed")
    said = shell("users invite")
    assert (said.code, said.out) == (1, "")
    assert said.error == "registration is closed: an invitation would let nobody in"
    assert "hint: set SEALRING_REGISTRATION=invited" in said.err
    assert "invitation_created" not in shell("audit").out


def test_an_account_from_its_making_to_its_end(shell: Shell, folder: Path) -> None:
    shell("init")
    said = shell("users list")
    assert (said.code, said.out) == (0, "no accounts yet\n")
    assert shell("users list --json").json == []

    said = shell("users create Ada --email ada@example.com --password-file -", stdin=PASSWORD + "\n")
    assert said.code == 0
    [subject] = re.findall(r"^created Ada with id (\S{22})$", said.out, re.MULTILINE)

    [row] = shell("users list --json").json
    created_at = row.pop("created_at")
    assert created_at > 1_700_000_000
    assert row == {
        "username": "Ada",
        "id": subject,
        "email": "ada@example.com",
        "email_verified": True,
        "status": "active",
        "scopes": [],
    }
    assert "Ada" in shell("users list").out

    assert shell("users scopes ada orders:read orders:write").out == "scopes of ada: orders:read orders:write\n"
    assert shell("users list --json").json[0]["scopes"] == ["orders:read", "orders:write"]
    for unclear in ("users scopes ada", "users scopes ada --none orders:read"):
        said = shell(unclear)
        assert (said.code, said.error) == (
            2,
            "give the scopes that the account is to have, or --none for no scope at all",
        )
    assert [account["scopes"] for account in shell("users list --json").json] == [["orders:read", "orders:write"]]
    assert shell("users scopes ada --none").out == "scopes of ada: none\n"

    (folder / "new").write_text(OTHER_PASSWORD + "\n")
    assert shell("users set-password ada --password-file new").out == (
        "set a new password for ada; every session ended, its rate limits are reset\n"
    )
    assert log_in(password=PASSWORD) == "invalid_credentials"
    assert isinstance(log_in(password=OTHER_PASSWORD), tuple)

    assert shell("users disable ada").out == "disabled ada; every session ended\n"
    assert log_in(password=OTHER_PASSWORD) == "invalid_credentials"
    assert shell("sessions list --json").json == []
    assert shell("users enable ada").out == "enabled ada; its rate limits are reset\n"
    assert isinstance(log_in(password=OTHER_PASSWORD), tuple)

    assert shell("users delete ada").code != 0, "it asks first"
    assert shell("users delete ada", stdin="n\n").code != 0
    assert isinstance(log_in(password=OTHER_PASSWORD), tuple)
    assert shell("users delete ada --yes").out == "deleted ada; every session ended\n"
    assert log_in(password=OTHER_PASSWORD) == "invalid_credentials"
    assert shell("users list --json").json == []


@pytest.mark.parametrize(
    ("line", "stdin", "message"),
    [
        ("users create ADA --password-file -", PASSWORD, "this username is taken"),
        ("users create bob --password-file -", "short", "password: "),
        ("users create bob --password-file -", "", "password: "),
        ("users create bob --email nowhere --password-file -", PASSWORD, "email: "),
        ("users create '' --password-file -", PASSWORD, "username: "),
        ("users disable nobody", "", "no account has this name"),
        ("users enable nobody", "", "no account has this name"),
        ("users delete nobody --yes", "", "no account has this name"),
        ("users set-password nobody --password-file -", PASSWORD, "no account has this name"),
        ("users scopes nobody a", "", "no account has this name"),
        ("sessions revoke nothing", "", "no live session has this id"),
        ("sessions revoke-user nobody", "", "no account has this name"),
        ("sessions list --user nobody", "", "no account has this name"),
        ("keys revoke nothing --yes", "", "no live signing key 'nothing'"),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_says_why(house: Shell, line: str, stdin: str, message: str) -> None:
    said = house(line, stdin=stdin)
    assert said.code == 1
    assert said.error.startswith(message)
    assert len(house("users list --json").json) == 1


@pytest.mark.parametrize("line", ["users scopes ada 'a b'", "users create bob --password-file no-such-file",
                                  "sessions revoke-user", "sessions revoke-user ada --subject x"])  # fmt: skip
def test_wrong_usage_ends_with_2(house: Shell, line: str) -> None:
    said = house(line)
    assert said.code == 2
    assert said.error


@pytest.mark.parametrize("line", ["users create bob", "users set-password ada"])
@pytest.mark.parametrize("stdin", ["", OTHER_PASSWORD, f"{OTHER_PASSWORD}\n{OTHER_PASSWORD}\n"])
def test_a_password_comes_through_a_pipe_only_when_asked_for_there(house: Shell, line: str, stdin: str) -> None:
    said = house(line, stdin=stdin)
    assert (said.code, said.out) == (2, "")
    assert said.error == "there is no terminal to ask for a password at"
    assert "--password-file -" in said.err
    assert [account["username"] for account in house("users list --json").json] == ["ada"]
    assert isinstance(log_in(), tuple), "her password is the old one"


@pytest.mark.parametrize("line", ["users delete ada", "keys revoke nothing", "restored"])
def test_nobody_to_confirm_is_no_yes(house: Shell, line: str) -> None:
    said = house(line, stdin="")
    assert said.code == 2
    assert "--yes" in said.err
    assert "interrupted" not in said.err
    said = house(line, stdin="n\n")
    assert (said.code, said.error) == (1, "not confirmed: nothing was changed")
    assert len(house("users list --json").json) == 1


def test_a_yes_may_come_through_a_pipe(house: Shell) -> None:
    assert house("users delete ada", stdin="y\n").code == 0
    assert house("users list --json").json == []


def test_a_password_file_that_is_no_text_is_one_clear_line(house: Shell, folder: Path) -> None:
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    said = house("users create bob --password-file binary")
    assert said.error
    assert said.code == 1


def test_no_password_is_taken_from_an_argument_or_shown(house: Shell) -> None:
    said = house("users create bob --password-file -", stdin="hunter2 hunter2 hunter2\n")
    assert "hunter2" not in said.out + said.err
    assert "hunter2" not in house("audit").out


def test_a_listing_leaves_nobody_out(house: Shell) -> None:
    async def work() -> None:
        auth = Sealring()
        await auth.store.open()
        event = an_event("account_created")
        await asyncio.gather(*(auth.store.create_account(an_account(f"u{number}"), event) for number in range(1100)))
        await auth.store.close()

    asyncio.run(work())
    assert {row["username"] for row in house("users list --json").json} == {"ada", *(f"u{n}" for n in range(1100))}


def test_sessions_are_listed_and_ended(house: Shell) -> None:
    assert house("sessions list").out == "no live sessions\n"
    entered = [log_in() for _ in range(3)]
    assert all(isinstance(each, tuple) for each in entered)
    ids = [each[0] for each in entered]
    rows = house("sessions list --json").json
    assert {row["id"] for row in rows} == set(ids)
    assert {(row["device"], row["address"]) for row in rows} == {("curl", "192.0.2.7")}
    assert house(f"sessions revoke {ids[0]}").out == f"ended session {ids[0]}\n"
    assert house(f"sessions revoke {ids[0]}").code == 1
    assert {row["id"] for row in house("sessions list --user ada --json").json} == set(ids[1:])
    assert house("sessions revoke-user ada").out == "ended 2 sessions of ada\n"
    assert house("sessions revoke-user ada").out == "ended 0 sessions of ada\n"
    assert house("sessions list --json").json == []


def test_a_listing_of_sessions_that_stops_short_says_so(house: Shell) -> None:
    for _ in range(3):
        log_in()
    whole = house("sessions list --json").json
    assert len(whole) == 3
    for limit in (1, 2):
        said = house(f"sessions list --json --limit {limit}")
        assert said.json == whole[:limit]
        assert said.err.splitlines() == [
            f"sealring: warning: only the newest {limit} are shown; there are more",
            "hint: filter with --user or --subject, or raise --limit",
        ]
    assert house("sessions list --limit 3").err == ""


def test_revoking_a_subject_of_an_applications_own(house: Shell) -> None:
    async def work() -> None:
        auth = Sealring()
        await auth.open()
        await auth.start_session("42")
        await auth.close()

    asyncio.run(work())
    assert house("sessions revoke-user --subject 42").out == "ended 1 session of 42\n"
    assert house("sessions list --subject 42 --json").json == []
    again = house("sessions revoke-user --subject 42")
    assert (again.code, again.out) == (0, "ended 0 sessions of 42\n")
    assert again.err.splitlines() == [
        "sealring: warning: no account and no live session has this subject",
        "hint: the revocation stands: an access token of this subject is refused; look at the spelling",
    ]
    kinds = [json.loads(line)["kind"] for line in house("audit --json").out.splitlines()]
    assert kinds.count("subject_revoked") == 2, "each line tells of a command that has succeeded"
    assert house("sessions revoke-user ada").err == "", "an account without sessions is no mistake"


def test_the_audit_log_tells_what_happened_in_order(house: Shell) -> None:
    log_in(password="wrong" * 4)
    log_in("nobody" * 3)
    log_in()
    house("users disable ada")
    lines = [json.loads(line) for line in house("audit --json").out.splitlines()]
    assert [line["number"] for line in lines] == sorted(line["number"] for line in lines)
    told = [(line["kind"], line["cause"]) for line in lines]
    for expected in (
        ("account_created", "created by operator"),
        ("login_failed", "wrong password"),
        ("login_failed", "unknown name"),
        ("account_disabled", "by operator"),
    ):
        assert expected in told
    assert "login" in {kind for kind, _ in told}
    last = lines[-1]["number"]
    assert house(f"audit --after {last} --json").out == ""
    people = house("audit").out
    assert len(people.splitlines()) == len(lines)
    assert "account_disabled" in people


def test_d6_nothing_printed_can_steer_a_terminal(house: Shell) -> None:
    async def work() -> None:
        auth = Sealring()
        await auth.open()
        await auth.start_session("42", user_agent="x", address="\x1b[2J\r\nforged line")
        await auth.close()

    asyncio.run(work())
    for line in ("sessions list", "audit"):
        said = house(line)
        assert "\x1b" not in said.out
        assert "\r" not in said.out
        assert not any(each.startswith("forged") for each in said.out.splitlines())


def test_c17_the_byte_order_mark_of_an_editor_is_no_part_of_a_password(shell: Shell, folder: Path) -> None:
    (folder / "password").write_text(PASSWORD + "\r\n", encoding="utf-8-sig", newline="")
    assert shell("init").code == 0
    assert shell("users create ada --password-file password").code == 0
    assert isinstance(log_in(), tuple)
    assert shell("users set-password ada --password-file -", stdin=f"\ufeff{OTHER_PASSWORD}\n").code == 0
    assert isinstance(log_in(password=OTHER_PASSWORD), tuple)


def test_n12_scopes_that_no_cookie_carries_are_refused_with_words_and_nothing_is_changed(house: Shell) -> None:
    some, many = (" ".join(f"documents:{number}:read" for number in range(count)) for count in (50, 200))
    assert house(f"users scopes ada {some}").err == ""
    said = house(f"users scopes ada {many}")
    assert said.code == 1
    assert said.error.startswith("the token would have more than 4030 characters")
    assert "hint: grant fewer scopes" in said.err
    assert len(house("users list --json").json[0]["scopes"]) == 50


def test_a_username_may_begin_with_a_dash(shell: Shell) -> None:
    shell("init")
    for name in ("-ada", "--ada", "-h"):
        assert shell(f"users create {name} --password-file -", stdin=f"{PASSWORD}\n").out.startswith(f"created {name}")
        assert shell(f"users scopes {name} orders:read").out == f"scopes of {name}: orders:read\n"
        assert shell(f"users disable {name}").code == shell(f"users enable {name}").code == 0
        assert shell(f"users set-password {name} --password-file -", stdin=f"{OTHER_PASSWORD}\n").code == 0
        assert shell(f"users delete {name} --yes").code == 0
    assert shell("users list --json").json == []
    said = shell("users scopes ada --nonee")
    assert (said.code, said.error) == (2, "No such option '--nonee'.")


def enroll(name: str = "ada") -> None:
    """An authenticator app and recovery codes, as the routes enroll them."""

    async def work() -> None:
        auth = Sealring()
        await auth.open()
        try:
            entered = await auth.log_in(name, PASSWORD, address="192.0.2.7")
            caller = Caller(
                subject=entered.account.id, session_id=entered.issued.session.id, epoch=0, client=ClientInfo("")
            )
            factors = auth.issuer.factors
            started = await factors.start_totp(caller)
            phone = pyotp.TOTP(started.secret)
            await factors.confirm_totp(caller, enrollment=started.enrollment, code=phone.now())
            await factors.make_recovery_codes(replace(caller, epoch=1))
        finally:
            await auth.close()

    asyncio.run(work())


def test_a_reset_of_second_factors_lets_the_password_in_again(house: Shell) -> None:
    shell = house
    enroll()
    assert log_in() == "second_factor_required"
    assert shell("users mfa reset nobody --yes").code == 1
    said = shell("users mfa reset ada --yes")
    assert (said.code, said.out) == (0, "removed from ada: recovery-code, totp\n")
    assert isinstance(log_in(), tuple)
    assert shell("users mfa reset ada --yes").out == "ada has no second factor\n"
    lines = [line for line in shell("audit").out.splitlines() if "credential_removed" in line]
    assert len(lines) == 2
    assert all("by operator" in line for line in lines)
