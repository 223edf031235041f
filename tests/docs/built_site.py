"""The site of the pages, built once for all tests of a process."""

from __future__ import annotations

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.build_site import build
from scripts.pages import CONFIGURATION


@cache
def built_site() -> Path:
    """Its folder."""
    folder = TemporaryDirectory(prefix="sealring-site-")
    atexit.register(folder.cleanup)
    shutil.copy(CONFIGURATION, folder.name)
    assert build(Path(folder.name)) == []
    return Path(folder.name) / "build" / "site"
