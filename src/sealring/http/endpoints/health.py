"""Alive, ready, measured: what a load balancer and Prometheus ask, at the root of the application.

No secret, no version, no host name: strangers may see a load balancer's probe.
"""

from __future__ import annotations

from http import HTTPStatus

from sealring.errors import NotFound, Stale
from sealring.http.endpoint import Call, Response
from sealring.http.schemas import Alive, Ready

EXPOSITION = b"text/plain; version=0.0.4; charset=utf-8"


async def alive(_: Call[None]) -> Alive:
    """The process answers."""
    return Alive(status="alive")


async def ready(call: Call[None]) -> Ready:
    """Fresh enough to check tokens, else 503."""
    node = call.service.node
    if not node.is_fresh:
        raise Stale(node.retry_after, node.last_error)  # the cause is for the log alone
    return Ready(status="ready", lag_seconds=round(max(0.0, node.lag), 3))


async def metrics(call: Call[None]) -> Response:
    """What Prometheus reads."""
    exposition = call.service.exposition
    if exposition is None:
        raise NotFound("nothing is counted here")
    return Response(HTTPStatus.OK, [(b"content-type", EXPOSITION)], exposition())
