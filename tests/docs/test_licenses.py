"""Every package that an installation brings along is under a permissive license, or NOTICE says what it is under."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PERMISSIVE = re.compile(r"\b(apache|bsd|mit|mit-0|isc|psf|python software foundation|0bsd|unlicense)\b", re.IGNORECASE)
COPYLEFT = re.compile(r"\b(A?GPL|LGPL|MPL|EPL|CDDL|GNU|Mozilla)", re.IGNORECASE)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
NOTICE = Path(__file__).parents[2].joinpath("NOTICE").read_text(encoding="utf-8")


def needed() -> dict[str, str]:
    """All that the extras bring along here, by name, with what its metadata says of its license."""
    found: dict[str, str] = {}
    todo = ["sealring"]
    while todo:
        name = todo.pop()
        try:
            package = distribution(name)
        except PackageNotFoundError:  # of another system or another Python
            continue
        said = [*package.metadata.get_all("License-Expression", []), *package.metadata.get_all("License", [])]
        said += [one for one in package.metadata.get_all("Classifier", []) if one.startswith("License")]
        found[name] = " ".join(said)[:400]
        for line in package.requires or ():
            extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
            required = NAME.match(line)
            if required is not None and (extra is None or name == "sealring" or extra[1] in {"binary", "pool"}):
                wanted = required[0].lower().replace("_", "-")
                todo += [] if wanted in found else [wanted]
    return found


def test_every_license_is_permissive_or_named_in_notice() -> None:
    licenses = needed()
    assert {"cryptography", "fastapi", "psycopg", "starlette"} <= licenses.keys()
    unnamed = [
        name
        for name, words in licenses.items()
        if (COPYLEFT.search(words) or not PERMISSIVE.search(words)) and not re.search(rf"\b{name}\b", NOTICE)
    ]
    assert unnamed == []
    assert COPYLEFT.search(licenses["psycopg"]), "else NOTICE says too much"
