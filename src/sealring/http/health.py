"""Alive, ready, measured: three routes for whoever runs the service, at the root of the application."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from sealring.errors import Stale
from sealring.http.openapi import refusals
from sealring.http.strict_route import StrictRoute
from sealring.verifier.node_state import NodeState


class HealthRoutes:
    """`/healthz`: the process answers. `/readyz`: it is fresh and may check tokens, else 503 (D7).

    No secret, no version, no host name: what a stranger may see of a load balancer's probe.
    """

    def __init__(self, node: NodeState) -> None:
        self._node = node
        self.router = router = APIRouter(route_class=StrictRoute)
        # and so by HEAD, as many a load balancer asks
        router.get("/healthz", operation_id="healthz", responses=refusals())(self.alive)
        router.get("/readyz", operation_id="readyz", responses=refusals(Stale))(self.ready)

    async def alive(self) -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    async def ready(self) -> dict[str, Any]:
        """Fresh enough to check tokens."""
        if not self._node.is_fresh:
            raise Stale(self._node.retry_after, self._node.last_error)  # the cause is for the log alone
        return {"status": "ready", "lag_seconds": round(max(0.0, self._node.lag), 3)}
