"""Whatever strangers wrote, no command obeys it to the terminal: neither C0 nor C1, neither as text nor as JSON."""

from __future__ import annotations

import ast
import asyncio
import json
from pathlib import Path

import pytest

import sealring.cli
from sealring import Sealring, jwt
from sealring.authentication.client_info import ClientInfo
from sealring.cli.output import one_line, say, say_json
from sealring.testing.store_contract.samples import an_event
from tests.cli.conftest import Shell

HOSTILE = "".join(map(chr, [*range(32), 0x7F, *range(0x80, 0xA0), 0x2028, 0x202E, 0xFEFF, 0xD800, 0xE0001])) + "é"


def is_harmless(printed: str) -> bool:
    return all(letter.isprintable() or letter == "\n" for letter in printed)


@pytest.mark.parametrize("indent", [None, 2])
def test_json_is_printable_and_reads_back_as_it_was(indent: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    say_json({HOSTILE: [HOSTILE]}, indent=indent)
    printed = capsys.readouterr().out
    assert is_harmless(printed)
    assert printed.count("é") == 2, "letters stay as they are"
    assert json.loads(printed) == {HOSTILE: [HOSTILE]}


def test_a_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    printed = capsys.readouterr().out
    assert printed == one_line(HOSTILE) + "\n"
    assert is_harmless(printed)


def test_commands_print_what_strangers_wrote_without_control(house: Shell) -> None:
    async def write() -> None:
        auth = Sealring()
        await auth.open()
        # such text cannot come in by our own routes: another version, or a hand, may have left it in the store
        await auth.store.settle_attempt("", an_event("login_failed", cause="c\x85\x9b31m", address="a\x9b"))
        await auth.issuer.new_sessions.start("42", client_id="c", client=ClientInfo("a\x9b", "agent\x9b"))
        await auth.close()

    asyncio.run(write())
    for line in ("audit", "audit --json", "sessions list", "sessions list --json", "users list --json"):
        said = house(line)
        assert said.code == 0
        assert said.out
        assert is_harmless(said.out), line
    assert any(json.loads(line)["cause"] == "c\x85\x9b31m" for line in house("audit --json").out.splitlines())
    token = jwt.sign({"sub": "42\x9b31m"}, jwt.Key.generate("ES256"), expires_in="5m")
    assert is_harmless(house("token inspect", stdin=token).out)
    assert is_harmless(house("users disable", "no\x9body").err)


def test_commands_print_through_these_functions_alone() -> None:
    allowed = {"__init__.py": 2, "output.py": 99, "prompts.py": 1, "keys.py": 2, "token.py": 1}
    for path in Path(sealring.cli.__file__).parent.glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        raw = [call for call in calls if ast.unparse(call.func) in {"click.echo", "print", "sys.stdout.write"}]
        assert len(raw) <= allowed.get(path.name, 0), f"{path.name} prints past sealring.cli.output"
