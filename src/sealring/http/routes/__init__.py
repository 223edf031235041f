"""The auth routes, as one FastAPI router that hangs under any prefix."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from sealring.http.routes.account import AccountRoutes
from sealring.http.routes.log_in import LogInRoutes
from sealring.http.routes.published import PublishedRoutes
from sealring.http.routes.site import AuthSite

__all__ = ["AuthSite", "auth_router"]


def auth_router(site: AuthSite, *, prefix: str) -> APIRouter:
    """All auth routes, under a prefix of their own; whatever stands before it, they find out (`auth_path`)."""

    async def prepare() -> None:
        await site.open()

    router = APIRouter(prefix=prefix, tags=["auth"])
    for routes in (LogInRoutes(site), AccountRoutes(site), PublishedRoutes(site)):
        router.include_router(routes.router, dependencies=[Depends(prepare)])
    return router
