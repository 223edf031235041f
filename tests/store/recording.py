"""What processes did to the files of one folder, recorded in one total order by `recorder.c`.

A recorded process runs under LD_PRELOAD. Each of its calls that changes a file or a name, or asks for either to stay,
is a step here, with the positions in the log at which it began and ended; power_cut.py plays them.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.programs import required_program

PROMISES = "promises"
"""The file in the recorded folder to which a storm writes what it promises: so promises stand in the same order."""
REBUILT = "-shm"
"""SQLite's index of its log, a shared mapping: whoever opens the database after a cut makes it anew."""
HEADER = struct.Struct("=IIqII")
"""The recorder's `struct header`."""


def compile_recorder(folder: Path) -> Path:
    """Compile the recorder into a folder that the recorded processes can read; skip the test where that cannot be."""
    if sys.platform != "linux":
        pytest.skip("writes are recorded by LD_PRELOAD, on Linux")
    compiler = required_program("cc")
    library = folder / "recorder.so"
    source = Path(__file__).with_name("recorder.c")
    subprocess.run([compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    library.chmod(0o755)
    return library


@dataclass(slots=True, eq=False)
class Step:
    """One call of a recorded process: what it asked of which file, from when until when, by positions in the log."""

    kind: str
    path: str
    number: int
    data: bytes
    began: int
    ended: int | None = None
    result: int | None = None

    @property
    def promises(self) -> bool:
        return self.kind == "w" and self.path.endswith(f"/{PROMISES}")

    def ended_before(self, position: int) -> bool:
        return self.ended is not None and self.ended < position

    def span(self) -> tuple[int, bytes]:
        """Where a write writes, and what of it was taken."""
        return self.number, self.data if self.result is None else self.data[: self.result]


class Recording:
    """One folder, as it was before, and the log of what happens to it.

    Args:
        folder: what is watched; taken as lying safely on the disk, as it is now.
        recorder: where the compiled recorder is.
        log: where the log goes, a file that every recorded process may write.
        journaled: whether fsync of a file, but not fdatasync, keeps the names in its folder too, as it does on ext4 and
            XFS, whose journals are written in order. SQLite does without; PostgreSQL 15 syncs no folder where it makes
            a table ("Creation of an empty table is not fsync'd at checkpoint", pgsql-hackers, January 2022).
    """

    def __init__(self, folder: Path, recorder: Path, log: Path, *, journaled: bool = False) -> None:
        self.journaled = journaled
        self.folder = folder.resolve()
        self.promises = self.folder / PROMISES
        self.promises.write_bytes(b"")
        self.base = read_tree(self.folder)
        self.folders = [str(path) for path in self.folder.rglob("*") if path.is_dir()]
        self._recorder = recorder
        self._log = log
        log.write_bytes(b"")
        log.chmod(0o666)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to be recorded."""
        return {
            "LD_PRELOAD": str(self._recorder),
            "RECORDER_LOG": str(self._log),
            "RECORDER_FOLDER": str(self.folder),
        }

    def steps(self) -> list[Step]:
        """The log, read: the calls that did something or may have, in the order in which they began."""
        found: list[Step] = []
        under_way: dict[int, Step] = {}
        for position, (kind, thread, number, path, data) in enumerate(records(self._log.read_bytes())):
            if kind == "e":
                step = under_way.pop(thread)
                step.ended, step.result = position, number
            else:
                target = os.path.normpath(data) if kind in "rl" else data
                under_way[thread] = Step(kind, os.path.normpath(path), number, target, position)
                found.append(under_way[thread])
        return [step for step in found if (step.result is None or step.result >= 0) and not step.path.endswith(REBUILT)]


def records(log: bytes) -> Iterator[tuple[str, int, int, str, bytes]]:
    """Every whole record; a process that was killed may have left a part of one at the end."""
    at = 0
    while at + HEADER.size <= len(log):
        kind, thread, number, path_size, data_size = HEADER.unpack_from(log, at)
        path_end = at + HEADER.size + path_size
        if path_end + data_size > len(log):
            return
        yield (
            chr(kind),
            thread,
            number,
            os.fsdecode(log[at + HEADER.size : path_end]),
            log[path_end : path_end + data_size],
        )
        at = path_end + data_size


def read_tree(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, by its path."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(REBUILT)]
    return {str(path): path.read_bytes() for path in files}
