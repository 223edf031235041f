"""What is counted, in Prometheus' text form: refusals by their true cause, events, freshness.

Needs the extra `sealring[metrics]`; without it nothing is counted and there is no route. The registry is
the application's own, so that its other metrics come along. No label holds anything that a client
sent: codes, kinds and causes are closed sets.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sealring.audit.event import EVENTS, Event
from sealring.errors import Revoked, SealringError
from sealring.verifier.node_state import UNACKNOWLEDGED, NodeState


class Metrics:
    """Counters of one Sealring, in one registry.

    Args:
        node: read at each scrape.
        registry: the application's.
    """

    def __init__(self, node: NodeState, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._refusals = Counter(
            "sealring_refusals", "Requests refused, by true cause.", ["code", "cause"], registry=registry
        )
        self._events = Counter("sealring_events", "Audit events committed here.", ["kind"], registry=registry)
        for kind in EVENTS:  # from 0: a counter that begins with its first event hides it from `rate()`
            self._events.labels(kind)
        registry.register(_Following(node))

    def refused(self, error: SealringError) -> None:
        """Count a refusal."""
        self._refusals.labels(error.code, error.cause if isinstance(error, Revoked) else "").inc()

    def happened(self, event: Event) -> None:
        """Count an event."""
        self._events.labels(event.kind).inc()

    def exposition(self) -> bytes:
        """What Prometheus reads, in its text form 0.0.4."""
        return generate_latest(self._registry)


class _Following(Collector):
    """The node's state, read when asked."""

    def __init__(self, node: NodeState) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        node = self._node
        lag = "Since the moment up to which every revocation is known."
        yield GaugeMetricFamily("sealring_lag_seconds", lag, value=node.lag)
        yield GaugeMetricFamily("sealring_fresh", "1 when this node may answer.", value=float(node.is_fresh))
        acknowledged = float(node.last_error != UNACKNOWLEDGED)
        yield GaugeMetricFamily("sealring_acknowledged", f"0 when {UNACKNOWLEDGED}.", value=acknowledged)
        yield GaugeMetricFamily("sealring_feed_number", "Last revocation followed.", value=node.cursor or 0)
        reloads = CounterMetricFamily("sealring_reloads", "Full loads, by cause.", labels=["cause"])
        for cause, number in node.reloads.items():
            reloads.add_metric([cause], number)
        yield reloads
        waiting = "Connections that are open for a session and end with it, as WebSockets do."
        yield GaugeMetricFamily("sealring_open_connections", waiting, value=len(node.connections))
        ends = CounterMetricFamily("sealring_connections_ended", "Open connections ended, by cause.", labels=["cause"])
        for ended_by, number in node.connections.ends.items():
            ends.add_metric([ended_by], number)
        yield ends
