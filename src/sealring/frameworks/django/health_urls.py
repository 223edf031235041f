"""`/healthz`, `/readyz` and `/metrics` for a load balancer and Prometheus.

    path("", include("sealring.frameworks.django.health_urls"))

Asked whether it is ready, a process that has served no request yet opens the store. `/metrics` is 404 without a
registry.
"""

from __future__ import annotations

from sealring.frameworks.django.urls import patterns_of
from sealring.http.health_routes import HEALTH, METRICS

__all__ = ["app_name", "urlpatterns"]

app_name = "sealring-health"

urlpatterns = patterns_of((*HEALTH, *METRICS))
