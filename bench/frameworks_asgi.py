"""The ASGI applications of `bench/frameworks.py`: the route open, behind Sealring, behind the usual library."""

# no `from __future__ import annotations`: frameworks read the closures' annotations as values

from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID, uuid5

import jwt as pyjwt
from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.security import OAuth2PasswordBearer
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import BaseUserDatabase
from fastapi_users.jwt import generate_jwt
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, SimpleUser, requires
from starlette.authentication import AuthenticationBackend as StarletteBackend
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench.frameworks_peers import PATH, SCOPE, SECRET, USERS, decode
from sealring import Principal, Sealring
from sealring.frameworks.fastapi import guard

ORDERS: dict[str, list[str]] = {"orders": []}


# FastAPI -----------------------------------------------------------------------------------------


def fastapi_open(_: Sealring) -> Any:
    app = FastAPI()

    @app.get(PATH)
    async def orders() -> dict[str, list[str]]:
        return ORDERS

    return app


def fastapi_with(dependency: Any) -> Any:
    app = FastAPI()

    @app.get(PATH)
    async def orders(user: Annotated[Any, dependency]) -> dict[str, list[str]]:
        return ORDERS if user else {}

    return app


def fastapi_ours(auth: Sealring) -> Any:
    app = FastAPI()

    @app.get(PATH)
    async def orders(user: Annotated[Principal, Security(guard(auth), scopes=[SCOPE])]) -> dict[str, list[str]]:
        return ORDERS if user.subject else {}

    return app


def fastapi_pyjwt(_: Sealring) -> Any:
    """As FastAPI's tutorial has it; its users are a dictionary there too."""
    scheme = OAuth2PasswordBearer(tokenUrl="token")

    async def current_user(token: Annotated[str, Depends(scheme)]) -> str:
        try:
            return USERS[decode(token)["sub"]]
        except (pyjwt.InvalidTokenError, KeyError):
            raise HTTPException(401, "Could not validate credentials", {"WWW-Authenticate": "Bearer"}) from None

    return fastapi_with(Depends(current_user))


USER_IDS = {name: uuid5(UUID(int=0), name) for name in USERS}
USER_ROWS = {
    made: SimpleNamespace(id=made, email=f"{name}@example.com", is_active=True, is_verified=True, is_superuser=False)
    for name, made in USER_IDS.items()
}


class UserDatabase(BaseUserDatabase):
    """A dictionary: what the library costs, with no database in its way."""

    async def get(self, id: UUID) -> Any:
        return USER_ROWS.get(id)


class UserManager(UUIDIDMixin, BaseUserManager):
    """As its documentation has it."""


async def user_manager() -> Any:
    yield UserManager(UserDatabase())


def fastapi_users(_: Sealring) -> Any:
    """As its documentation has it: bearer transport, JWT strategy, an active user asked for."""

    def strategy() -> Any:
        return JWTStrategy(secret=SECRET, lifetime_seconds=3600)

    transport = BearerTransport(tokenUrl="auth/jwt/login")
    backend = AuthenticationBackend(name="jwt", transport=transport, get_strategy=strategy)
    return fastapi_with(Depends(FastAPIUsers(user_manager, [backend]).current_user(active=True)))


def fastapi_users_token(name: str) -> str:
    audience = ["fastapi-users:auth"]
    return str(generate_jwt({"sub": str(USER_IDS[name]), "aud": audience}, SECRET, 3600))


# Starlette ---------------------------------------------------------------------------------------


async def open_orders(_: Request) -> JSONResponse:
    return JSONResponse(ORDERS)


@requires(SCOPE, status_code=401)
async def orders_of(request: Request) -> JSONResponse:
    return JSONResponse(ORDERS if request.user.is_authenticated else {})


def starlette_open(_: Sealring) -> Any:
    return Starlette(routes=[Route(PATH, open_orders)])


def starlette_behind(middleware: Middleware) -> Any:
    return Starlette(routes=[Route(PATH, orders_of)], middleware=[middleware])


def starlette_ours(auth: Sealring) -> Any:
    return auth.middleware(auth.asgi(Starlette(routes=[Route(PATH, orders_of)])))


def starlette_backend(auth: Sealring) -> Any:
    return starlette_behind(Middleware(AuthenticationMiddleware, backend=auth.backend))


class PyJWTBackend(StarletteBackend):
    """As Starlette's documentation begins it."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        scheme, _, token = conn.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            claims = decode(token)
        except pyjwt.InvalidTokenError:
            return None
        return AuthCredentials(["authenticated", *claims["scope"].split()]), SimpleUser(claims["sub"])


def starlette_pyjwt(_: Sealring) -> Any:
    return starlette_behind(Middleware(AuthenticationMiddleware, backend=PyJWTBackend()))
