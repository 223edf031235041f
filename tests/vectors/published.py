"""Where the published vectors are: `$SEALRING_VECTORS`, else `shared/vectors` beside the checkout.

Missing vectors skip the tests that need them, except under CI=true, where missing means failure.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(os.environ.get("SEALRING_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))


def load(name: str) -> Any:
    """Return the parsed JSON file, or skip the module that asks."""
    path = FOLDER / name
    if not path.exists():
        reason = f"published vectors are not here: {name} (set SEALRING_VECTORS)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason, allow_module_level=True)
    return json.loads(path.read_text())
