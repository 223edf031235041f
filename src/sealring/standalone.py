"""The auth service alone, as `sealring serve --no-demo` runs it: auth routes, health, metrics, and no page.

For applications in any language: they verify by its JWKS, as docs/how-to/auth-service.md shows.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from fastapi import FastAPI

from sealring.errors import SealringError
from sealring.frameworks.asgi import HeadLimits
from sealring.frameworks.starlette import answer_no_route
from sealring.sealring import Sealring
from sealring.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The auth service as one ASGI application.

    Args:
        settings: read from the environment when left out.
    """
    counters = registry()
    auth = Sealring(settings, metrics=counters)
    app = FastAPI(
        title="Sealring", version="1", lifespan=auth.lifespan, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.include_router(auth.router())
    app.include_router(auth.health_router())
    if counters is not None:
        app.include_router(auth.metrics_router())
    app.add_exception_handler(SealringError, auth.problem_response)
    app.add_exception_handler(404, answer_no_route)
    app.add_exception_handler(405, answer_no_route)
    app.add_middleware(HeadLimits, refused=auth.refused)
    return app


def registry() -> Any:
    """A registry to count in, where the extra `metrics` is installed."""
    return import_module("prometheus_client").CollectorRegistry() if find_spec("prometheus_client") else None
