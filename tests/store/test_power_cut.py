"""The disk that power cuts are played on: what it must keep is kept, what it may lose is lost at times."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.power_cut import SECTOR, Disk, Left, play_to_the_end, power_cuts, worst_power_cut
from tests.store.recording import Recording, Step, compile_recorder, read_tree

EVERY_KIND = """
import ctypes, os
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = os.open("written", os.O_RDWR | os.O_CREAT)
os.write(file, b"one" * 1000)
os.pwrite(file, b"two" * 1000, 4321)
os.writev(file, [b"three", b"", b"four"])
os.pwritev(file, [b"five" * 100, b"six"], 70)
os.ftruncate(file, 7000)
os.posix_fallocate(file, 0, 9000)
os.fsync(file)
os.link("written", "linked")
os.truncate("linked", 8500)
os.dup2(file, 99)
os.pwrite(99, b"seven", 8490)
with open("appended", "ab") as appended:
    appended.write(b"eight")
with open("appended", "ab", buffering=0) as appended:
    appended.write(b"nine")
with open("moved", "wb") as moved:
    moved.write(b"ten")
with open("moved", "wb") as moved:
    moved.write(b"11")
os.rename("moved", "written again")
stream = ctypes.c_void_p(libc.fopen(b"streamed", b"w"))
libc.fputs(b"twelve", stream)
libc.fclose(stream)
os.mkdir("folder")
os.mkdir("folder/inner")
os.rmdir("folder/inner")
inner = os.open("folder", os.O_RDONLY)
os.close(os.open("in it", os.O_WRONLY | os.O_CREAT, dir_fd=inner))
os.close(os.open("gone", os.O_WRONLY | os.O_CREAT))
gone = os.open("gone", os.O_RDWR)
os.unlink("gone")
os.write(gone, b"nobody reads it")
os.write(1, b"a promise\\n")
"""


def record(program: str, folder: Path, *, journaled: bool = False) -> Recording:
    place = folder / "place"
    place.mkdir()
    (place / "before").write_bytes(b"as it was")
    recording = Recording(place, compile_recorder(folder), folder / "log", journaled=journaled)
    with recording.promises.open("ab") as output:
        environment = os.environ | recording.environment
        subprocess.run([sys.executable, "-c", program], cwd=place, env=environment, stdout=output, check=True)
    return recording


def cuts_after_the_last_step(recording: Recording, count: int = 300) -> Iterator[dict[str, bytes | None]]:
    disk, dice = Disk(recording), random.Random(count)  # noqa: S311 - no secret
    for step in recording.steps():
        disk.follow(step)
    disk.pass_to(sys.maxsize)
    for _ in range(count):
        yield by_name(disk.cut(dice))


def by_name(left: Left) -> dict[str, bytes | None]:
    return {Path(path).name: content for path, content in left.items()}


def test_a_recording_played_to_its_end_is_the_folder(tmp_path: Path) -> None:
    recording = record(EVERY_KIND, tmp_path)
    recording.promises.unlink()
    found = read_tree(recording.folder)
    assert play_to_the_end(recording) == found
    assert sorted(Path(path).name for path in found) == [
        "appended", "before", "in it", "linked", "streamed", "written", "written again",
    ]  # fmt: skip


def test_what_was_synced_is_left_and_what_was_not_is_all_there_or_torn_or_gone(tmp_path: Path) -> None:
    program = """
import os
file = os.open("a", os.O_RDWR | os.O_CREAT)
os.write(file, b"s" * 2048)
os.fdatasync(file)
os.fsync(os.open(".", os.O_RDONLY))
os.pwrite(file, b"u" * 2048, 1024)
"""
    found = [left["a"] or b"" for left in cuts_after_the_last_step(record(program, tmp_path))]
    assert all(content[:1024] == b"s" * 1024 for content in found)
    assert {len(content) % SECTOR for content in found} == {0}
    assert b"s" * 2048 in found
    assert b"s" * 1024 + b"u" * 2048 in found
    old, new, none = b"s" * SECTOR, b"u" * SECTOR, bytes(SECTOR)
    second_halves = {(content[1024:1536], content[1536:2048]) for content in found}
    assert second_halves == {(old, old), (old, new), (new, old), (new, new)}
    assert {content[2048:2560] for content in found} == {b"", new, none}


@pytest.mark.parametrize(
    ("journaled", "sync", "kept"), [(False, "fsync", False), (True, "fdatasync", False), (True, "fsync", True)]
)
def test_a_name_needs_its_folder_synced_unless_a_journal_does_it(
    tmp_path: Path, *, journaled: bool, sync: str, kept: bool
) -> None:
    program = f"""
import os
file = os.open("new", os.O_RDWR | os.O_CREAT)
os.write(file, b"synced")
os.{sync}(file)
os.rename("before", "after")
"""
    found = list(cuts_after_the_last_step(record(program, tmp_path, journaled=journaled)))
    assert {left["new"] for left in found if "new" in left} == {b"synced"}
    assert {"new" in left for left in found} == ({True} if kept else {True, False})
    assert {("before" in left, "after" in left) for left in found} == {(True, False), (False, True)}


@pytest.mark.parametrize(("folder", "left"), [("other", {b"as it was", None}), (".", {None})])
def test_a_removed_file_is_gone_for_good_once_its_own_folder_was_synced(
    tmp_path: Path, folder: str, left: set[bytes | None]
) -> None:
    program = f"""
import os
os.mkdir("other")
os.unlink("before")
os.fsync(os.open("{folder}", os.O_RDONLY))
"""
    assert {found.get("before") for found in cuts_after_the_last_step(record(program, tmp_path))} == left


def test_a_sync_keeps_what_was_written_before_it_began_and_only_when_it_has_returned(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"..")
    recording = Recording(tmp_path, tmp_path, tmp_path / "log")
    path = str(recording.folder / "a")

    def left_at(position: int) -> bytes | None:
        disk = Disk(recording)
        disk.follow(Step("w", path, 0, b"1", began=0, ended=1, result=1))
        disk.follow(Step("s", path, 0, b"", began=2, ended=4, result=0))
        disk.follow(Step("w", path, 1, b"2", began=3, ended=5, result=1))
        disk.pass_to(position)
        return disk.worst_cut()[path]

    assert [left_at(position) for position in (4, 5, 6)] == [b"..", b"1.", b"1."]


def test_a_cut_comes_with_the_promises_made_before_it(tmp_path: Path) -> None:
    program = """
import os
file = os.open("before", os.O_RDWR)
for number in range(50):
    os.pwrite(file, b"%02d" % number, 0)
    os.fsync(file)
    os.write(1, b"%02d\\n" % number)
"""
    recording = record(program, tmp_path)
    left, promised = worst_power_cut(recording)
    assert promised == [b"%02d\n" % number for number in range(50)]
    assert by_name(left)["before"] == b"49 it was"
    counts = set()
    for left, promised in power_cuts(recording, 40, random.Random(1)):  # noqa: S311 - no secret
        counts.add(len(promised))
        content = by_name(left)["before"] or b""
        assert not promised or content[:2] >= promised[-1][:2]
    assert len(counts) > 10


@pytest.mark.parametrize(
    "program",
    [
        "import mmap, os; file = os.open('before', os.O_RDWR); mmap.mmap(file, 9)[0] = 65",
        "import os; os.write(os.open('before', os.O_RDWR | os.O_DSYNC), b'A')",
    ],
)
def test_what_cannot_be_played_is_refused(tmp_path: Path, program: str) -> None:
    with pytest.raises(AssertionError, match="not recorded"):
        list(cuts_after_the_last_step(record(program, tmp_path), 1))
