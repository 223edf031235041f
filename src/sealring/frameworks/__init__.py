"""One thin file per framework, each pointing inward. There is one so far, and without it nothing here works."""

from __future__ import annotations

try:
    import fastapi  # noqa: F401 - asked for here, so that the answer is more than a name
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"sealring.frameworks needs the package {missing.name}: pip install 'sealring[server]'", name=missing.name
    ) from missing
