"""Health and metrics of a process, one row each: of an issuer, and of a service that only verifies."""

from __future__ import annotations

from sealring import errors
from sealring.http.endpoint import Endpoint
from sealring.http.endpoints.health import alive, metrics, ready
from sealring.http.schemas import Alive, Ready

HEALTH: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET", path="/healthz", run=alive, operation_id="healthz", part="service",
        answers={200: Alive}, opens=False, tag="health",
    ),
    Endpoint(
        method="GET", path="/readyz", run=ready, operation_id="readyz", part="service",
        answers={200: Ready}, opens=False, errors=(errors.Stale,), tag="health",
    ),
)  # fmt: skip
"""At the root of the application."""

METRICS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET", path="/metrics", run=metrics, operation_id="metrics", part="service",
        answers={200: None}, opens=False, tag="health", in_schema=False,
    ),
)  # fmt: skip
"""At the root, where metrics are counted."""
