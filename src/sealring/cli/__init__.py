"""The command line: `sealring …`.

Errors go to stderr as `sealring: error: …`, with a `hint: …` line where one helps, and never as a
traceback; exit 0 done, 1 refused or failed, 2 wrong usage. Passwords and secrets come from a prompt,
a file or stdin, never from an argument, where every process list would show them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    try:
        from sealring.cli.run import run  # noqa: PLC0415 - without the extra there is no click to import
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("sealring"):
            raise
        print(f"sealring: error: the command line needs {error.name}", file=sys.stderr)  # noqa: T201 - stderr is the place
        print("hint: pip install 'sealring[server]'", file=sys.stderr)  # noqa: T201 - as above
        sys.exit(1)
    sys.exit(run(arguments))
