"""`serve`, where it cannot: one clear line before anything is written."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from sealring.cli.listening import hint_for, listen, url_of
from sealring.cli.serve import prepare
from sealring.errors import ConfigurationError
from tests.cli.conftest import Shell
from tests.serving import SECRET

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what these tests are about


def test_a_taken_port_leaves_no_trace(shell: Shell, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = shell(f"serve --port {port}")
    assert said.code == 1
    assert said.error.startswith(f"cannot listen on 127.0.0.1 port {port}: ")
    assert f"hint: another program may have it; try --port {port + 1}" in said.err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("host", ["999.1.1.1", "no.such.host.invalid", "192.0.2.1"])
def test_a_host_that_is_none_of_ours_is_no_matter_of_ports(shell: Shell, host: str) -> None:
    said = shell(f"serve --host {host} --port 0")
    assert said.error.startswith(f"cannot listen on {host} port 0: ")
    assert "--host 127.0.0.1" in said.err
    assert "--port" not in said.err


@pytest.mark.parametrize(
    ("number", "port", "hint"),
    [(errno.EACCES, 80, "low ports are for root; try --port 8000"), (errno.EADDRINUSE, 65535, "try --port 0")],
)
def test_the_hint_goes_by_what_was_wrong(number: int, port: int, hint: str) -> None:
    assert hint_for(OSError(number, "no"), port).endswith(hint)


@pytest.mark.parametrize("secret", ["", SECRET])
def test_a_folder_that_cannot_be_written(shell: Shell, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.chdir("/proc")  # root may write everywhere else
    monkeypatch.setenv("SEALRING_SECRET", secret)
    assert shell("serve --port 0").error.startswith("sealring.db cannot be written: ")


def test_a_secret_that_cannot_be_written(shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc")
    monkeypatch.setenv("SEALRING_DATABASE_URL", f"sqlite:///{folder}/elsewhere.db")
    said = shell("serve --port 0")
    assert said.code == 1
    assert said.error.startswith("cannot write .env: ")


@pytest.mark.parametrize(
    ("host", "url"),
    [(EVERYWHERE, "http://127.0.0.1"), ("0", "http://127.0.0.1"), ("::", "http://[::1]"), ("localhost", "http://localhost"),
     ("127.0.0.1", "http://127.0.0.1"), ("::1", "http://[::1]")],
)  # fmt: skip
def test_the_url_is_one_that_a_browser_here_can_open(host: str, url: str) -> None:
    try:
        listener = listen(host, 0)
    except ConfigurationError:
        pytest.skip(f"no {host} on this machine")
    with listener:
        assert url_of(host, listener) == f"{url}:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("host", "issuer", "warning"),
    [
        ("127.0.0.1", "", ""),
        ("localhost", "", ""),
        (EVERYWHERE, "", "issuer: SEALRING_ISSUER is not set, so it is http://127.0.0.1:8000: no browser on another"),
        (EVERYWHERE, "http://127.0.0.1:8000", ""),
        (EVERYWHERE, "https://auth.example.com", ""),
        (EVERYWHERE, "http://auth.example.com", "cookies: the issuer is plain http beyond this machine"),
        ("127.0.0.1", "http://auth.example.com", "cookies: the issuer is plain http beyond this machine"),
    ],
)  # fmt: skip
def test_an_issuer_that_shuts_browsers_out_is_warned_of(  # noqa: PLR0917 - fixtures and columns
    house: Shell,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    host: str,
    issuer: str,
    warning: str,
) -> None:
    assert house("version").code == 0
    monkeypatch.setenv("SEALRING_ISSUER", issuer)
    prepare(host, "http://127.0.0.1:8000")
    said = capsys.readouterr().err
    if not warning:
        assert said == ""
        return
    first, second = said.splitlines()
    assert first.startswith(f"sealring: warning: {warning}")
    assert second.startswith("hint: ")
    assert "set SEALRING_ISSUER to the" in second


@pytest.mark.parametrize(
    ("options", "settings", "message"),
    [
        ("", {"SEALRING_SECRTE": "x"}, "unknown setting SEALRING_SECRTE"),
        ("", {"SEALRING_SECRET": "x" * 64}, "SEALRING_SECRET has too few different characters"),
        ("", {"SEALRING_SECRET": SECRET, "SEALRING_DATABASE_URL": "sqlite:///no/such/x.db"}, "the folder of x.db does"),
        ("", {"SEALRING_DATABASE_URL": "sqlite:////no/such/x.db"}, "the folder of x.db does not exist"),
        ("", {"SEALRING_DATABASE_URL": "mysql://db"}, "the database URL names no kind of store"),
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


def test_no_useless_secret_is_written_beside_keys_of_another(house: Shell, folder: Path) -> None:
    house("keys rotate")
    (folder / ".env").unlink()
    before = sorted(folder.iterdir())
    for command in ("serve --port 0", "init"):
        said = house(command)
        assert said.error.startswith("the store has signing keys encrypted under another secret")
        assert "hint: set SEALRING_SECRET" in said.err
        assert sorted(folder.iterdir()) == before


def test_a_store_without_keys_takes_a_fresh_secret(house: Shell, folder: Path) -> None:
    (folder / ".env").unlink()
    assert house("init").code == 0
    assert house("users list").code == 0
