"""`token sign|verify|inspect` and `keys …`: tokens and keys by hand, as a transcript."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest

from sealring import Sealring, jwt
from tests.cli.conftest import Shell
from tests.serving import SECRET


@pytest.fixture
def key_file(shell: Shell) -> str:
    assert shell("keys generate ES256 --out key.jwk").code == 0
    return "key.jwk"


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "Ed25519", "RS256", "PS256"])
@pytest.mark.parametrize("form", ["jwk", "pem"])
def test_a_pair_is_made_signs_and_verifies(shell: Shell, folder: Path, algorithm: str, form: str) -> None:
    said = shell(f"keys generate {algorithm} --format {form} --out private")
    assert said.code == 0
    assert stat.S_IMODE((folder / "private").stat().st_mode) == 0o600
    (folder / "public").write_text(said.out)
    assert "PRIVATE" not in said.out
    assert '"d"' not in said.out
    alg = f"--alg {algorithm}" if form == "pem" else ""
    token = shell(f"token sign --key-file private {alg} --subject 42 --expires-in 5m")
    assert token.code == 0, token.err
    verified = shell(f"token verify --key-file public {alg}", stdin=token.out)
    assert verified.json["sub"] == "42"
    assert verified.json["exp"] - verified.json["iat"] == 300
    assert shell(f"token sign --key-file public {alg}").error == "a public key cannot sign"


def test_a_private_key_is_never_written_over_another(shell: Shell, folder: Path, key_file: str) -> None:
    before = (folder / key_file).read_bytes()
    said = shell(f"keys generate --out {key_file}")
    assert said.code == 1
    assert said.error.startswith(f"cannot write {key_file}")
    assert (folder / key_file).read_bytes() == before


def test_without_a_file_the_private_key_goes_to_stdout_alone(shell: Shell) -> None:
    assert jwt.Key.from_jwk(json.loads(shell("keys generate Ed25519").out)).alg == "Ed25519"
    assert "PRIVATE KEY" in shell("keys generate ES256 --format pem").out
    assert shell("keys generate HS256").json["kty"] == "oct"
    assert shell("keys generate HS256 --format pem").code == 2


def test_an_hmac_secret_from_a_file(shell: Shell, folder: Path) -> None:
    (folder / "secret").write_text(SECRET + "\n")
    token = shell('token sign \'{"username": "ada"}\' --key-file secret --alg HS256 --expires-in 1800s').out
    assert shell("token verify --key-file secret --alg HS256", stdin=token).json["username"] == "ada"
    assert shell("token verify --key-file secret --alg HS512", stdin=token).code == 1
    (folder / "short").write_text("secret")
    said = shell("token sign --key-file short --alg HS256")
    assert said.code == 1
    assert "secret" not in said.error.replace("secret must", "").replace("a secret", "")


def test_the_key_may_come_from_stdin(shell: Shell, folder: Path, key_file: str) -> None:
    key = (folder / key_file).read_text()
    token = shell("token sign --key-file - --expires-in 1m", stdin=key).out
    (folder / "token").write_text(token)
    assert shell("token verify token --key-file -", stdin=key).code == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("--issuer https://a.example --audience orders --typ at+jwt", None),
        ("--issuer https://b.example --audience orders", "wrong_issuer"),
        ("--issuer https://a.example --audience other", "wrong_audience"),
        ("--audience orders --typ JWT", "wrong_type"),
        ("", "wrong_audience"),
        ("--any-audience", None),
        ("--any-audience --issuer https://b.example", "wrong_issuer"),
    ],
)
def test_what_is_asked_of_a_token_is_checked(shell: Shell, key_file: str, options: str, code: str | None) -> None:
    token = shell(
        f"token sign --key-file {key_file} --issuer https://a.example --audience orders --typ at+jwt --expires-in 1m"
    ).out
    said = shell(f"token verify --key-file {key_file} {options}", stdin=token)
    if code is None:
        assert said.code == 0
    else:
        assert said.code == 1
        assert said.error.startswith("the token is refused: ")
        assert said.error.endswith(f"({code})")
        assert token.strip() not in said.err


def test_a_token_for_somebody_needs_an_audience(shell: Shell, key_file: str) -> None:
    token = shell(f"token sign --key-file {key_file} --audience orders --expires-in 1m").out
    said = shell(f"token verify --key-file {key_file}", stdin=token)
    assert said.code == 1
    assert "--any-audience" in said.err
    assert "--any-audience" not in shell(f"token verify --key-file {key_file} --audience other", stdin=token).err
    assert shell(f"token verify --key-file {key_file} --audience orders --any-audience", stdin=token).code == 2


def test_several_audiences(shell: Shell, key_file: str) -> None:
    token = shell(f"token sign --key-file {key_file} --audience a --audience b --expires-in 1m").out
    assert shell(f"token verify --key-file {key_file} --audience b", stdin=token).json["aud"] == ["a", "b"]


def test_an_expired_or_changed_token_is_refused(shell: Shell, key_file: str) -> None:
    expired = shell(f"token sign '{{\"exp\": 1000000000}}' --key-file {key_file}").out
    assert shell(f"token verify --key-file {key_file}", stdin=expired).error.endswith("(expired)")
    good = shell(f"token sign --key-file {key_file} --expires-in 1m").out.strip()
    assert shell(f"token verify --key-file {key_file}", stdin=good[:-6] + "AAAAAA").error.endswith("(bad_signature)")
    assert shell(f"token verify --key-file {key_file}", stdin="x").error.endswith("(malformed)")


def test_inspect_needs_no_key_and_says_that_it_proves_nothing(shell: Shell, key_file: str) -> None:
    token = shell(f"token sign --key-file {key_file} --subject 42 --expires-in 1m").out
    said = shell("token inspect", stdin=token[:-10] + "forged")
    assert said.code == 0
    assert said.err == "NOT VERIFIED: anybody can write this\n"
    assert said.json["claims"]["sub"] == "42"
    assert said.json["header"]["alg"] == "ES256"
    assert shell("token inspect", stdin="no token").code == 1


@pytest.mark.parametrize(
    ("line", "stdin", "code"),
    [
        ("token sign '[]' --key-file {key}", "", 2),
        ("token sign '{{' --key-file {key}", "", 2),
        ("token sign --key-file nowhere", "", 2),
        ("token sign --key-file {key} --expires-in soon", "", 2),
        ('token sign \'{{"exp": "tomorrow"}}\' --key-file {key}', "", 2),
        ("token sign --key-file -", "", 1),
        ("token sign --key-file -", "{}", 1),
        ("token sign --key-file -", '{"kty":"EC"}', 1),
        ("token sign --key-file - --alg ES256", "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----", 1),
        ("token sign --key-file - --alg nonsense", SECRET, 1),
        ("token sign --key-file - --alg none", SECRET, 1),
        ("token verify nowhere --key-file {key}", "", 2),
        ("token verify --key-file {key} --leeway soon", "x.y.z", 2),
        ("keys generate none", "", 2),
    ],
)
def test_what_is_no_key_no_claims_or_no_option_is_one_clear_line(
    shell: Shell, key_file: str, line: str, stdin: str, code: int
) -> None:
    said = shell(line.format(key=key_file), stdin=stdin)
    assert said.error
    assert said.code == code
    assert SECRET not in said.err


def test_k7_a_key_file_that_is_binary_or_a_folder(shell: Shell, folder: Path) -> None:
    (folder / "binary").write_bytes(b"\xff\xfe" * 40)
    (folder / "empty").write_bytes(b"")
    (folder / "box").mkdir()
    for name, code in (("binary", 1), ("empty", 1), ("box", 2)):
        said = shell(f"token sign --key-file {name} --alg HS256")
        assert said.error
        assert said.code == code


def test_a_token_without_end_is_warned_of_and_verified_only_on_request(shell: Shell, key_file: str) -> None:
    said = shell(f"token sign --key-file {key_file} --subject 42")
    assert said.code == 0
    assert said.err.startswith("sealring: warning: this token never expires")
    assert "--expires-in" in said.err
    verify = f"token verify --key-file {key_file}"
    assert shell(verify, stdin=said.out).error == "the token is refused: claim 'exp' is missing (missing_claim)"
    assert shell(f"{verify} --require ''", stdin=said.out).json["sub"] == "42"
    assert shell(f"{verify} --require sub,iat", stdin=said.out).json["sub"] == "42"
    assert "'jti' is missing" in shell(f"{verify} --require 'sub, jti'", stdin=said.out).error
    for more in ("--expires-in 5m", "'{\"exp\": 1}'"):
        assert shell(f"token sign --key-file {key_file} {more}").err == ""


def test_a_file_that_does_not_say_its_algorithm_is_told_of_the_option(shell: Shell, folder: Path) -> None:
    (folder / "secret").write_text("07" * 32)
    said = shell("token sign --key-file secret")
    assert said.error == "the key file does not say its algorithm"
    assert said.err.endswith("hint: give it with --alg, as in --alg ES256\n")


# the issuer's own ring


async def start_and_stop() -> None:
    async with Sealring().lifespan():
        """Long enough for a server to make its keys."""


@pytest.fixture
def served_house(house: Shell) -> Shell:
    """The house after a server has started there."""
    asyncio.run(start_and_stop())
    return house


def test_who_only_looks_makes_no_key(house: Shell) -> None:
    for line in ("users list", "sessions list", "keys list", "audit", "check", "keys reencrypt"):
        assert house(line).code == 0
    assert house("keys list").out == "no keys yet\n"


def test_a_shell_set_to_another_algorithm_leaves_the_standby_alone(
    served_house: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = served_house("keys list --json").json
    monkeypatch.setenv("SEALRING_ALGORITHM", "RS256")
    assert served_house("keys list --json").json == ring
    said = served_house("keys rotate").out
    assert said.startswith(f"{ring[1]['kid']} (ES256) signs in 3")
    assert [one["kid"] for one in served_house("keys list --json").json] == [one["kid"] for one in ring]


def test_the_ring_is_listed_rotated_and_revoked(served_house: Shell) -> None:
    house = served_house
    first, standby = house("keys list --json").json
    assert (first["state"], standby["state"]) == ("signing", "published")
    assert first["kid"] in house("keys list").out
    said = house("keys rotate")
    assert said.code == 0
    assert said.out.startswith(f"{standby['kid']} (ES256) signs in 3")
    assert house(f"keys revoke {first['kid']}").code != 0, "it asks first"
    assert house(f"keys revoke {first['kid']} --yes").out == f"revoked {first['kid']}\n"
    states = {one["kid"]: one["state"] for one in house("keys list --json").json}
    assert states[first["kid"]] == "revoked"
    assert states[standby["kid"]] == "signing"
    assert len(states) == 3


@pytest.mark.parametrize("dashed", ["-Oz4_", "-h", "-yes", "--abc"])
def test_an_id_may_begin_with_a_dash(served_house: Shell, dashed: str) -> None:
    assert f"no live signing key '{dashed}'" in served_house(f"keys revoke {dashed} --yes").err
    assert "no live session has this id" in served_house(f"sessions revoke {dashed}").err


def test_reencrypting_moves_the_keys_to_the_first_secret(
    served_house: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = served_house
    old = (folder / ".env").read_text().split("SEALRING_SECRET=")[1].strip()
    [kid, _] = [one["kid"] for one in house("keys list --json").json]
    monkeypatch.setenv("SEALRING_SECRET", f"{SECRET},{old}")
    assert house("keys reencrypt").out == "keys encrypted again under the first secret: 2\n"
    assert house("keys reencrypt").out == "keys encrypted again under the first secret: 0\n"
    monkeypatch.setenv("SEALRING_SECRET", SECRET)
    assert house("check").code == 0
    monkeypatch.setenv("SEALRING_SECRET", old)
    said = house("check")
    assert f"WRONG keys: signing key {kid} cannot be opened" in said.out
    assert old not in said.out


def test_c17_the_byte_order_mark_of_an_editor_is_no_part_of_a_key_or_a_token(shell: Shell, folder: Path) -> None:
    (folder / "secret").write_text("s" * 40, encoding="utf-8-sig")
    token = jwt.sign({"sub": "42"}, jwt.Key.from_secret("s" * 40, "HS256"), expires_in="5m")
    (folder / "token").write_text(token, encoding="utf-8-sig")
    assert shell("token verify --key-file secret --alg HS256 token").json["sub"] == "42"
    assert shell("token verify --key-file secret --alg HS256", stdin=f"\ufeff{token}").json["sub"] == "42"
    for form, alg in (("jwk", ""), ("pem", "--alg ES256")):
        assert shell(f"keys generate ES256 --format {form} --out {form}").code == 0
        (folder / form).write_text((folder / form).read_text(), encoding="utf-8-sig")
        assert shell(f"token sign --key-file {form} {alg} --expires-in 5m").code == 0
