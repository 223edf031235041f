"""`FileTokens`: whole files, its owner's alone, one holder of the lock, whatever is killed when."""

from __future__ import annotations

import os
import secrets
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sealring.client import FileTokens, Tokens, token_file
from sealring.errors import ConfigurationError

OLD = Tokens(access_token="old-a", refresh_token="old-r", expires_in=5, obtained_at=1.5, device="d")
NEW = Tokens(access_token="new-a", refresh_token="new-r", expires_in=5, obtained_at=2.5, device="d")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def test_what_is_saved_is_loaded(path: Path) -> None:
    store = FileTokens(path)
    assert store.load() == Tokens()
    for tokens in (OLD, NEW, NEW.without_session()):
        store.save(tokens)
        assert FileTokens(path).load() == tokens


def test_only_its_owner_may_read_it_in_folders_that_it_makes(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "tokens.json"
    before = os.umask(0)
    try:
        store = FileTokens(path)
        assert store.try_lock()
        store.save(OLD)
    finally:
        os.umask(before)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert modes == {"tokens.json": 0o600, "tokens.json.lock": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0


def test_a_file_that_others_may_read_is_refused(path: Path) -> None:
    FileTokens(path).save(OLD)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="others may read") as caught:
        FileTokens(path).load()
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize(
    "text", ["", "{", '{"x":1}', "[]", '{"access_token": 3}', '{"access_token": "a b"}', "\x00\xff"]
)
def test_a_file_of_anything_else_is_refused_without_a_word_of_it(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="not one that FileTokens wrote"):
        FileTokens(path).load()
    with pytest.raises(ConfigurationError, match="not one that FileTokens wrote"):
        FileTokens(path).save(OLD)
    assert path.read_text() == text


def test_a_folder_is_refused_where_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a folder"):
        FileTokens(tmp_path)


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path, path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    FileTokens(link).save(OLD)
    assert link.is_symlink()
    assert FileTokens(path).load() == OLD


def test_a_planted_file_of_the_new_name_is_never_written_into(tmp_path: Path, path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    path.with_name("tokens.json.new").symlink_to(other)
    FileTokens(path).save(OLD)
    assert other.read_text() == "mine"
    assert FileTokens(path).load() == OLD


def test_a_lock_has_one_holder(path: Path) -> None:
    first, second = FileTokens(path), FileTokens(path)
    assert first.try_lock()
    assert not second.try_lock()
    assert not first.try_lock(), "by another thread of the same object"
    second.unlock()
    assert not second.try_lock(), "only its holder gives it back"
    thread = threading.Thread(target=first.unlock)
    thread.start()
    thread.join()
    assert second.try_lock()


def test_what_cannot_be_written_leaves_the_old_tokens(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileTokens(path)
    store.save(OLD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.save(NEW)
    assert store.load() == OLD


def test_the_file_is_on_disk_before_it_takes_its_name_and_the_name_before_it_is_used(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, seen = FileTokens(path), []
    store.save(OLD)

    def sync(file: int) -> None:
        place = Path(f"/proc/self/fd/{file}").readlink()
        seen.append((place.name, FileTokens(path).load()))

    monkeypatch.setattr(os, "fsync", sync)
    store.save(NEW)
    assert seen == [("tokens.json.new", OLD), (path.parent.name, NEW)]


KILLS = {
    "in the middle of the text": "os.fdopen = lambda file, mode: Half(file) if mode == 'wb' else open(file, mode)",
    "before it is synced": "os.fsync = die",
    "before it is renamed": "pathlib.Path.replace = die",
    "before the folder is synced": "os.fsync = lambda file: stat.S_ISDIR(os.fstat(file).st_mode) and die()",
}
PROGRAM = """
import os, pathlib, signal, stat, sys
from sealring.client import FileTokens, Tokens
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
class Half:
    def __init__(self, file): self.file = file
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def write(self, text): os.write(self.file, text[: len(text) // 2]); die()
store = FileTokens(sys.argv[1])
assert store.try_lock()
{kill}
store.save(Tokens(access_token="new-a", refresh_token="new-r", expires_in=5, obtained_at=2.5, device="d"))
"""


@pytest.mark.parametrize("moment", KILLS)
def test_i6_a_kill_in_the_middle_of_a_write_leaves_whole_tokens_and_a_free_lock(path: Path, moment: str) -> None:
    store = FileTokens(path)
    store.save(OLD)
    killed = subprocess.run([sys.executable, "-c", PROGRAM.format(kill=KILLS[moment]), path], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert store.load() == (NEW if moment == "before the folder is synced" else OLD)
    assert store.try_lock()
    store.save(NEW)
    assert store.load() == NEW
    assert sorted(one.name for one in path.parent.iterdir()) == ["tokens.json", "tokens.json.lock"]


WRITER = """
import sys
from sealring.client import FileTokens, Tokens
store, at = FileTokens(sys.argv[1]), 0
print("ready", flush=True)
while True:
    if store.try_lock():
        at += 1
        store.save(Tokens(access_token=f"a{at}" * 2000, refresh_token=f"r{at}" * 2000, obtained_at=float(at)))
        store.unlock()
"""


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_i6_kills_at_any_moment_leave_whole_tokens_and_a_free_lock(path: Path, rounds: int) -> None:
    store = FileTokens(path)
    for _ in range(rounds):
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        time.sleep(secrets.randbelow(40) / 1000)
        for writer in writers:
            writer.kill()
            writer.communicate()
        tokens = store.load()
        at = int(tokens.obtained_at)
        if at:
            assert (tokens.access_token, tokens.refresh_token) == (f"a{at}" * 2000, f"r{at}" * 2000)
        assert store.try_lock()
        store.unlock()


def test_windows_is_told_what_to_use(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    absent: Any = None
    monkeypatch.setattr(token_file, "fcntl", absent)
    with pytest.raises(ConfigurationError, match="fcntl") as caught:
        FileTokens(path)
    assert "MemoryTokens" in str(caught.value.hint)
