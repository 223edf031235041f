"""What FastAPI runs before one of our routes: the dependencies that the host has put there.

FastAPI's public API does not say it. Since version 0.137 a router that is included is no longer copied, so the
`dependant` of our own route lacks what `include_router(…, dependencies=…)` adds. `fastapi.routing.iter_route_contexts`
has it for every place where a router was included, but not which of them this request came by: one router may be
included twice. Only the scope says that, under a key of FastAPI's own, so this file reads it, and no other does.

Where the key is missing, nothing is known, and that is safe: FastAPI solves every dependency by itself, and a query
parameter that only the host reads is refused as unknown. tests/frameworks/test_fastapi_dependencies.py then fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.dependencies.models import Dependant

KEY = "effective_route_context"


def dependant_of(scope: Mapping[str, Any]) -> Dependant | None:
    """What FastAPI solves for the route of this scope; None where a version of it does not say."""
    dependant = getattr(scope.get("fastapi", {}).get(KEY), "dependant", None)
    return dependant if isinstance(dependant, Dependant) else None


def host_query(scope: Mapping[str, Any]) -> frozenset[str]:
    """The query parameters that dependencies read which a host put before our router."""
    if not scope.get("query_string"):
        return frozenset()
    dependant = dependant_of(scope)
    return frozenset() if dependant is None else frozenset(_query_names(dependant))


def _query_names(dependant: Dependant) -> set[str]:
    names = {parameter.alias for parameter in dependant.query_params}
    return names.union(*map(_query_names, dependant.dependencies))
