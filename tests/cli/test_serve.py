"""`serve`, where it cannot: one clear line before anything is written."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.serving import SECRET


def test_a_taken_port_leaves_no_trace(shell: Shell, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = shell(f"serve --port {port}")
    assert said.code == 1
    assert said.error.startswith(f"cannot listen on 127.0.0.1 port {port}: ")
    assert "hint: another program may have it" in said.err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("secret", "message"), [("", "cannot write .env: "), (SECRET, "")])
def test_a_folder_that_cannot_be_written(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, secret: str, message: str
) -> None:
    monkeypatch.chdir("/proc")  # root may write everywhere else
    monkeypatch.setenv("SEALRING_SECRET", secret)
    said = shell("serve --port 0")
    assert said.code == 1
    assert said.error.startswith(message)


@pytest.mark.parametrize(
    ("options", "settings", "message"),
    [
        ("", {"SEALRING_SECRTE": "x"}, "unknown setting SEALRING_SECRTE"),
        ("", {"SEALRING_SECRET": "x" * 64}, "SEALRING_SECRET has too few different characters"),
        ("", {"SEALRING_SECRET": SECRET, "SEALRING_DATABASE_URL": "sqlite:///no/such/x.db"}, ""),
        ("--host no.such.host.invalid", {}, "cannot listen on no.such.host.invalid"),
        ("--host 192.0.2.1", {}, "cannot listen on 192.0.2.1"),
        ("--host 0.0.0.0", {}, "SEALRING_SECRET is not set"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(  # noqa: PLR0917 - fixtures and columns
    shell: Shell,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: str,
    settings: dict[str, str],
    message: str,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    said = shell(f"serve --port 0 {options}")
    assert said.code == 1
    assert said.error.startswith(message)
    assert list(folder.iterdir()) == []
