"""Test clients that ask as somebody: one row of `CLIENTS` for each family of clients.

A client is known by the packages of its classes, so nothing of any framework is imported here. Cookies are put where
the client's own jar would put those of a response, so that a refresh replaces them and a logout removes them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from http.cookies import SimpleCookie
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeVar

from sealring.issuer.log_in import LoggedIn
from sealring.issuer.session_tokens import Issued
from sealring.sealring import Sealring
from sealring.testing.principals import SUBJECT
from sealring.testing.sessions import start

C = TypeVar("C")

BEARER, FETCH_SITE = "Authorization", "Sec-Fetch-Site"


class ClientKind(Protocol):
    """What `as_user` does to the clients of one family."""

    def set_header(self, client: Any, name: str, value: str | None) -> None:
        """Send the field with each request; None: no longer."""

    def set_cookies(self, client: Any, fields: Iterable[str]) -> None:
        """Take over cookies from the values of `Set-Cookie` fields; those with `Max-Age=0` go."""


def as_user(
    client: C,
    auth: Sealring,
    user: str | Issued | LoggedIn = SUBJECT,
    *,
    scopes: Iterable[str] | None = None,
    claims: Mapping[str, Any] | None = None,
    credential: Literal["bearer", "cookie"] = "bearer",
) -> C:
    """Have a test client ask as that user from now on: with a real session, which the auth routes know.

    Any client of Starlette, FastAPI, Litestar, httpx, httpx2, Flask, Quart, Django and Django REST framework,
    in a test with or without an event loop.

    Args:
        client: the test client.
        auth: the `Sealring` of the application.
        user: the subject of a new session; or what `start_session`, `log_in` or `register` gave.
        scopes: what the session may do; left out, `grant_for` is asked.
        claims: what the application adds.
        credential: "bearer": a token in each request; "cookie": the cookies of a browser, whose page is of the same
            origin, so that requests pass the CSRF checks.

    Returns:
        The client.

    Raises:
        TypeError: no test client that is known here; `access_token` makes a token for any other.
        ValueError: what no session can have; or the cookies are `Secure`, and the client asks over http.
        RuntimeError: called in the event loop in which a `Sealring` with a database is open.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> client = as_user(app.test_client(), auth, "42", credential="cookie")
    >>> client.get("/auth/sessions").status_code
    200
    """
    if credential not in {"bearer", "cookie"}:
        raise ValueError('credential must be "bearer" or "cookie"')
    kind = _kind_of(client)
    issued = start(auth, user, scopes=scopes, claims=claims)
    as_anonymous(client, auth)
    if credential == "bearer":
        kind.set_header(client, BEARER, f"Bearer {issued.access_token.text}")
    else:
        delivered = auth.delivery.deliver(issued, "cookie", refresh_path=auth.settings.auth_path)
        kind.set_cookies(client, [value.decode("ascii") for name, value in delivered.headers if name == b"set-cookie"])
        kind.set_header(client, FETCH_SITE, "same-origin")
    return client


def as_anonymous(client: C, auth: Sealring) -> C:
    """Have a test client ask as nobody: undo `as_user`, and forget the cookies of a login. The session goes on.

    Args:
        client: as for `as_user`.
        auth: the `Sealring` of the application.

    Returns:
        The client.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> client = as_user(app.test_client(), auth)
    >>> as_anonymous(client, auth).get("/auth/me").status_code
    401
    """
    kind = _kind_of(client)
    cleared = auth.delivery.cookies.clear(auth_path=auth.settings.auth_path)
    kind.set_header(client, BEARER, None)
    kind.set_header(client, FETCH_SITE, None)
    kind.set_cookies(client, [value.decode("ascii") for _, value in cleared])
    return client


class _Httpx:
    """httpx and httpx2, and what is made of them: the clients of Starlette, FastAPI and Litestar."""

    def set_header(self, client: Any, name: str, value: str | None) -> None:
        client.headers.pop(name, None)
        if value is not None:
            client.headers[name] = value

    def set_cookies(self, client: Any, fields: Iterable[str]) -> None:
        fields = list(fields)
        if client.base_url.scheme != "https" and any("; Secure" in field for field in fields):
            raise ValueError(
                "the cookies are Secure, and base_url of the client is http: give it an https one, or the Sealring"
                " cookie_secure=False"
            )
        httpx = sys.modules[_module_of(client, ("httpx", "httpx2"))]
        answer = httpx.Response(
            204, headers=[("set-cookie", field) for field in fields], request=httpx.Request("GET", client.base_url)
        )
        client.cookies.extract_cookies(answer)


class _Werkzeug:
    """Werkzeug and Flask."""

    def set_header(self, client: Any, name: str, value: str | None) -> None:
        environ = _environ_base(client)
        environ.pop(_environ_name(name), None)
        if value is not None:
            environ[_environ_name(name)] = value

    def set_cookies(self, client: Any, fields: Iterable[str]) -> None:
        config = getattr(client.application, "config", {})
        domain = (config.get("SERVER_NAME") or "localhost").partition(":")[0]
        for morsel in _morsels(fields):
            if morsel["max-age"] == "0":
                client.delete_cookie(morsel.key, domain=domain, path=morsel["path"])
            else:
                client.set_cookie(morsel.key, morsel.value, domain=domain, path=morsel["path"])


class _Quart:
    """Quart, whose test client has no fields of its own: what it sends is given some."""

    def set_header(self, client: Any, name: str, value: str | None) -> None:
        for method in ("open", "request", "websocket"):
            sends = getattr(client, method)
            if not isinstance(sends, _WithFields):
                sends = _WithFields(sends)
                setattr(client, method, sends)
            sends.fields.pop(name, None)
            if value is not None:
                sends.fields[name] = value

    def set_cookies(self, client: Any, fields: Iterable[str]) -> None:
        host = client.app.config["SERVER_NAME"] or "localhost"
        for morsel in _morsels(fields):
            client.set_cookie(host, morsel.key, morsel.value, max_age=int(morsel["max-age"]), path=morsel["path"])


class _WithFields:
    """A method of a client that sends fields of ours, but for those that its caller gives."""

    def __init__(self, send: Callable[..., Any]) -> None:
        self.fields: dict[str, str] = {}
        self._send = send

    def __call__(self, *args: Any, headers: Any = None, **kwargs: Any) -> Any:
        given = dict(headers or {})
        names = {name.lower() for name in given}
        ours = {name: value for name, value in self.fields.items() if name.lower() not in names}
        return self._send(*args, headers=given | ours, **kwargs)


class _Django:
    """Django, and Django REST framework; the asynchronous client names fields as ASGI does."""

    def set_header(self, client: Any, name: str, value: str | None) -> None:
        is_async = any(base.__name__ == "AsyncRequestFactory" for base in type(client).__mro__)
        key = name.lower() if is_async else _environ_name(name)
        client.defaults.pop(key, None)
        if value is not None:
            client.defaults[key] = value

    def set_cookies(self, client: Any, fields: Iterable[str]) -> None:
        for morsel in _morsels(fields):
            if morsel["max-age"] == "0":
                client.cookies.pop(morsel.key, None)
            else:
                client.cookies[morsel.key] = morsel.value


CLIENTS: Mapping[str, ClientKind] = MappingProxyType(
    {"httpx": _Httpx(), "httpx2": _Httpx(), "werkzeug": _Werkzeug(), "quart": _Quart(), "django": _Django()}
)
"""By the package that the client's class, or one that it derives from, is of."""


def _kind_of(client: object) -> ClientKind:
    name = _module_of(client, CLIENTS)
    if name:
        return CLIENTS[name]
    raise TypeError(
        f"{type(client).__module__}.{type(client).__name__} is no test client that is known here: send the field"
        " Authorization: Bearer with access_token(auth, …)"
    )


def _module_of(client: object, names: Iterable[str]) -> str:
    packages = [base.__module__.partition(".")[0] for base in type(client).__mro__]
    return next((package for package in packages if package in names), "")


def _morsels(fields: Iterable[str]) -> list[Any]:
    return [morsel for field in fields for morsel in SimpleCookie(field).values()]


def _environ_name(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


def _environ_base(client: Any) -> dict[str, Any]:
    base: dict[str, Any] | None = getattr(client, "environ_base", None)
    if base is None:
        raise TypeError("a bare werkzeug client has no fields of its own: use app.test_client(), or a bearer token")
    return base
