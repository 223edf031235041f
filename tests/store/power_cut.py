"""A power cut, played: what a disk may hold when the machine stops between two steps of a recording (P2).

`recording.py` records, `Disk` follows. What was written to a file before a sync of it began is there once the sync has
returned; a name is there once its folder was synced. Of everything else the dice choose: nothing, all, or some of it in
any order, a write torn into any of its sectors, a size without its bytes. The disk is trusted with as much as the
databases trust it with: it does not lie about a sync, a sector of 512 bytes is old or new as a whole, and so is one
change of names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.store.recording import PROMISES, Recording, Step

SECTOR = 512
CHANCES = (0.0, 0.1, 0.5, 0.9, 1.0)
"""How much of what was not synced is left of one file."""
TORN = 0.25
"""How often what a cut leaves of an unsynced write is some of its sectors."""


@dataclass(slots=True, eq=False)
class File:
    """What of a file is on the disk for certain, and what is on its way."""

    durable: bytearray = field(default_factory=bytearray)
    waiting: list[Step] = field(default_factory=list)

    def sync(self, before: int) -> None:
        for step in self.waiting:
            if step.ended_before(before):
                apply(self.durable, step)
        self.waiting = [step for step in self.waiting if not step.ended_before(before)]

    def whole(self) -> bytes:
        content = bytearray(self.durable)
        for step in self.waiting:
            apply(content, step)
        return bytes(content)

    def left(self, chance: float, dice: random.Random) -> bytes:
        """One of the contents that a cut may leave."""
        content = bytearray(self.durable)
        for step in self.waiting:
            if dice.random() < chance:
                apply(content, step)
            elif chance and step.kind == "w" and dice.random() < TORN:
                share = dice.random()
                for offset, sector in sectors(*step.span()):
                    if dice.random() < share:
                        put(content, offset, sector)
        if chance and self.waiting and dice.random() < TORN:
            content.extend(bytes(max(0, len(self.whole()) - len(content))))
        return bytes(content)


def folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def apply(content: bytearray, step: Step) -> None:
    match step.kind:
        case "w":
            put(content, *step.span())
        case "t":
            del content[step.number :]
            content.extend(bytes(step.number - len(content)))
        case "g":
            content.extend(bytes(max(0, step.number - len(content))))
        case "c":
            content.clear()
        case _:
            raise AssertionError(step.kind)


def put(content: bytearray, offset: int, data: bytes) -> None:
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def sectors(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """A write, cut where the disk's sectors end."""
    at = 0
    while at < len(data):
        size = min(SECTOR - (offset + at) % SECTOR, len(data) - at)
        yield offset + at, data[at : at + size]
        at += size


Names = dict[str, File | None]
"""Files by path; a folder has none."""


@dataclass(frozen=True, slots=True)
class Renaming:
    """A change of names in one folder: what each path leads to now, or that it leads nowhere."""

    step: Step
    leads_to: Mapping[str, File | None]
    gone: frozenset[str] = frozenset()

    @property
    def folder(self) -> str:
        (folder,) = {folder_of(path) for path in (*self.leads_to, *self.gone)}
        return folder

    def apply(self, names: Names) -> None:
        for path in self.gone:
            names.pop(path, None)
        names.update(self.leads_to)


Left = dict[str, bytes | None]
"""What a cut leaves of a folder: contents by path; a folder has none."""


class Disk:
    """The files of a recording while its steps are followed, with what is certain and what is not.

    Args:
        recording: whose steps will come, and what was there before them.
    """

    def __init__(self, recording: Recording) -> None:
        self._root = str(recording.folder)
        self._journaled = recording.journaled
        self._names: Names = dict.fromkeys([self._root, *recording.folders])
        self._names.update({path: File(bytearray(content)) for path, content in recording.base.items()})
        self._durable_names = dict(self._names)
        self._waiting: list[Renaming] = []
        self._syncs: list[Step] = []

    def follow(self, step: Step) -> None:
        """Begin a step; whatever ended before has had its effect. A file without a name is lost in any case."""
        self.pass_to(step.began)
        if step.path.endswith(" (deleted)"):
            return
        match step.kind:
            case "s":
                self._syncs.append(step)
            case "w" | "t" | "g":
                self._file(step.path).waiting.append(step)
            case "c" if step.path in self._names:
                self._file(step.path).waiting.append(step)
            case "x":
                raise AssertionError(f"{step.path} is written by means that are not recorded")
            case _:
                self._follow_names(step)

    def _follow_names(self, step: Step) -> None:
        path, target = step.path, step.data.decode()
        match step.kind:
            case "o" | "c":
                if path not in self._names:
                    self._rename(step, {path: File()})
            case "m":
                self._rename(step, {path: None})
            case "u":
                self._rename(step, {}, gone=path)
            case "r":
                self._rename(step, {target: self._file(path)}, gone=path)
            case "l":
                self._rename(step, {target: self._file(path)})
            case _:
                raise AssertionError(step.kind)

    def pass_to(self, position: int) -> None:
        """Let the time of the log pass: syncs that have returned by now count."""
        for sync in [sync for sync in self._syncs if sync.ended_before(position)]:
            self._syncs.remove(sync)
            synced = self._names.get(sync.path)
            if synced is None:
                self._sync_names(sync.path, sync.began)
                continue
            synced.sync(sync.began)
            if self._journaled and sync.number:  # fsync, not fdatasync
                self._sync_names(folder_of(sync.path), sync.began)

    def contents(self) -> dict[str, bytes]:
        """What a process sees: everything was written."""
        return {path: file.whole() for path, file in self._names.items() if file is not None}

    def cut(self, dice: random.Random) -> Left:
        """One of the folders that a power cut may leave now. A third of them has lost all that may be lost."""
        return self._left((0.0,) if dice.random() < 1 / 3 else CHANCES, dice)

    def worst_cut(self) -> Left:
        """What it leaves of the folder at least."""
        return self._left((0.0,), random.Random(0))  # noqa: S311 - no secret

    def _left(self, chances: Sequence[float], dice: random.Random) -> Left:
        names = dict(self._durable_names)
        chance = dice.choice(chances)
        for renaming in self._waiting:
            if dice.random() < chance:
                renaming.apply(names)
        return {
            path: None if file is None else file.left(dice.choice(chances), dice)
            for path, file in names.items()
            if path == self._root or folder_of(path) in names
        }

    def _file(self, path: str) -> File:
        file = self._names[path]
        assert file is not None, path
        return file

    def _rename(self, step: Step, leads_to: Mapping[str, File | None], gone: str | None = None) -> None:
        renaming = Renaming(step, leads_to, frozenset() if gone is None else frozenset({gone}))
        renaming.apply(self._names)
        self._waiting.append(renaming)

    def _sync_names(self, folder: str, before: int) -> None:
        synced = [one for one in self._waiting if one.folder == folder and one.step.ended_before(before)]
        for renaming in synced:
            renaming.apply(self._durable_names)
        self._waiting = [one for one in self._waiting if one not in synced]


Cut = tuple[Left, list[bytes]]
"""What a cut leaves, and what had been promised by then."""


def power_cuts(recording: Recording, count: int, dice: random.Random) -> Iterator[Cut]:
    """Cut the power so many times."""
    steps = recording.steps()
    for disk, promised in stops(recording, steps, sorted(draw_position(steps, dice) for _ in range(count))):
        yield disk.cut(dice), promised


def worst_power_cut(recording: Recording) -> Cut:
    """Cut the power right after the last promise, on a disk that writes nothing before it must."""
    steps = recording.steps()
    last = max(step.began for step in steps if step.promises)
    ((disk, promised),) = stops(recording, steps, [last + 1])
    return disk.worst_cut(), promised


def play_to_the_end(recording: Recording) -> dict[str, bytes]:
    """Follow all: the files as the recorded processes left them, if nothing escaped the recorder; without promises."""
    disk = Disk(recording)
    for step in recording.steps():
        disk.follow(step)
    return {path: content for path, content in disk.contents().items() if path != str(recording.promises)}


def stops(recording: Recording, steps: list[Step], positions: list[int]) -> Iterator[tuple[Disk, list[bytes]]]:
    """The disk and the promises at each of these positions of the log."""
    disk = Disk(recording)
    promised: list[bytes] = []
    following = iter([*steps, None])
    step = next(following)
    for position in positions:
        while step is not None and step.began < position:
            disk.follow(step)
            if step.promises:
                promised.append(step.data)
            step = next(following)
        disk.pass_to(position)
        yield disk, list(promised)


def draw_position(steps: list[Step], dice: random.Random) -> int:
    """A position in the log, mostly where it matters: just after a promise, or at the end of a sync or just after."""
    kind = dice.choice(("promise", "sync", "any"))
    if kind == "promise":
        return dice.choice([step.began for step in steps if step.promises]) + 1
    if kind == "sync":
        syncs = [step.ended for step in steps if step.kind == "s" and step.ended is not None]
        return dice.choice(syncs or [0]) + dice.randrange(2)
    return dice.randrange(steps[-1].began + 2)


def put_back(left: Left, recording: Recording, folder: Path) -> None:
    """Write what a cut left to another folder, the promises left out."""
    for path in sorted(left):
        content = left[path]
        target = folder / Path(path).relative_to(recording.folder)
        if content is None:
            target.mkdir(mode=0o700, exist_ok=True)
        elif target.name != PROMISES:
            target.write_bytes(content)
