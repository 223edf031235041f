"""The files of a folder of this tree, without what tests install below it while others read (`node_modules`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def own_files(folder: Path) -> Iterator[Path]:
    """All of them, in the order of their names; no installed folder is entered."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - {"node_modules", "__pycache__", ".next"})
        yield from (Path(place, name) for name in sorted(names))
