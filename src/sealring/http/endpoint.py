"""What an endpoint is: one row of the table, and the values that pass through it. No framework is imported.

A row says all that is known of a route before a request comes: what it reads, what it answers, who may call. From it
follow what is decided before the body is read (`pipeline.admit`), the OpenAPI document and the page of routes.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from msgspec import Struct

from sealring.errors import NotFound, SealringError
from sealring.http.cookies import Headers
from sealring.http.request_errors import MethodNotAllowed
from sealring.sessions.step_up import StepUp
from sealring.verifier.principal import Principal

if TYPE_CHECKING:  # the service has no need of the table, and the table none of it but by name
    from sealring.http.service import AuthService

Body = TypeVar("Body")
STRONG = StepUp(max_age="10m", acr="mfa")
"""What is asked for a change of second factors: both, shown within the last minutes."""
RECENT = StepUp(max_age="10m")
"""What our own routes ask where a stolen session would do lasting harm: time enough to read a page and to find a code
or a security key."""
HeaderList = list[tuple[bytes, bytes]]
Part = Literal["sessions", "accounts", "oauth", "pages", "service"]
"""`sessions`: how a session goes on and ends, however it began. `accounts`: our own accounts, with login,
registration and password. `oauth`: for OAuth clients. `pages`: pages of those accounts. `service`: health and metrics
of the process."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request, as every server has it before the body."""

    scope: Mapping[str, Any]
    """The whole in ASGI's words (type, method, path, root_path, query_string, headers, client, http_version).
    A server that speaks another protocol writes its head in this form; `auth` in it is what the middleware found."""
    host_query: frozenset[str] = frozenset()
    """Query parameters that the application's own code reads on this route."""

    @property
    def headers(self) -> Headers:
        """The header fields: names in lower case, order and duplicates kept."""
        headers: Headers = self.scope["headers"]
        return headers


@dataclass(frozen=True, slots=True)
class Response:
    """Status, header fields and body, ready for any server; `content-length` among the fields where one is due."""

    status: int
    headers: HeaderList
    body: bytes = b""


@dataclass(slots=True)
class Call(Generic[Body]):
    """What an endpoint is called with."""

    service: AuthService
    head: Head
    body: Body
    query: Any = None
    """The struct that the row names in `query`."""
    caller: Principal | None = None
    path: Mapping[str, str] = field(default_factory=dict)
    headers: HeaderList = field(default_factory=list)
    """What the endpoint adds to the answer: cookies, and what it says instead of our security headers."""

    @property
    def principal(self) -> Principal:
        """The caller of an endpoint whose row says `caller=True`."""
        if self.caller is None:
            raise TypeError("the row of this endpoint must say caller=True")
        return self.caller


@dataclass(frozen=True, slots=True)
class Form:
    """A body that is an urlencoded form; `schema` describes it, by whether the password grant is on."""

    schema: Callable[[bool], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One route. The summary of its description is the first line of `run`'s docstring."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    run: Callable[[Call[Any]], Awaitable[object]]
    """Returns a struct, or None for no content, or a `Response` of its own."""
    operation_id: str
    part: Part
    """Which part of the routes it is of: an application serves those parts that it needs."""
    reads: type[Struct] | Form | None = None
    optional: bool = False
    """The body may be left out."""
    query: type[Struct] | None = None
    any_query: bool = False
    """Unknown query parameters are ignored though the route changes something, where an RFC says so."""
    answers: Mapping[int, type[Struct] | None]
    """What a success is; the first is the usual one."""
    errors: tuple[type[SealringError], ...] = ()
    """What it may refuse with, beside what follows from the rest of the row."""
    caller: bool = False
    """Only for those who are logged in: nobody else learns what it reads."""
    holder: bool = False
    """With `caller`: a browser that holds a session by its cookies, and no good access token, may call it too. The
    endpoint finds out whose session it is."""
    clients: bool = False
    """With `caller`: a registered client that acts for itself may call it too. It has no account and no session."""
    step_up: StepUp | None = None
    """With `caller`: how recent the caller's last proof must be (RFC 9470), where a stolen session would do lasting
    harm."""
    page: Literal["any", "own"] = "any"
    """"own" refuses what another site's page sends, cookies or none (C2)."""
    queue: Literal["hashing", "method"] | None = None
    """The queue that must have room, asked before the body is read (I14, N7): the one for hashing, always, or where the
    login method costs a hash that `{method}` of the path names."""
    opens: bool = True
    """The first request opens the store where no lifespan did."""
    refuse: Callable[[SealringError], Response] | None = None
    """Another form of refusals than problem details."""
    described: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """Answers whose description no struct gives, as OpenAPI writes them."""
    public: bool = False
    """Pages of every origin may read it: the same for everybody, and nothing in it that is not published anyway."""
    tag: str = "auth"
    in_schema: bool = True

    @property
    def status(self) -> int:
        """Of a success."""
        return next(iter(self.answers))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the variable segments of the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))


class Routes:
    """Finds the endpoint of a path and a method.

    >>> async def ping(call): ...
    >>> row = Endpoint(method="GET", path="/ping", run=ping, operation_id="ping", part="service", answers={204: None})
    >>> routes = Routes([row])
    >>> routes.find("HEAD", "/ping")[0].operation_id
    'ping'
    """

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self.endpoints = tuple(endpoints)
        self._fixed: dict[str, dict[str, Endpoint]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Endpoint]]] = []
        by_path: dict[str, dict[str, Endpoint]] = {}
        for endpoint in self.endpoints:
            methods = by_path.setdefault(endpoint.path, {})
            methods[endpoint.method] = endpoint
            if endpoint.method == "GET":  # RFC 9110 §9.3.2
                methods["HEAD"] = endpoint
        for path, methods in by_path.items():
            if "{" in path:
                shape = "/".join(
                    f"(?P<{part[1:-1]}>[^/]+)" if part[:1] == "{" else re.escape(part) for part in path.split("/")
                )
                self._patterns.append((re.compile(shape), methods))
            else:
                self._fixed[path] = methods

    def find(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
        """Return the endpoint, and the variable segments of the path.

        Raises:
            NotFound: no endpoint has this path.
            MethodNotAllowed: none has this method there; `allowed` names those of the resource (RFC 9110 §15.5.6).
        """
        methods, parameters = self._at(path)
        endpoint = methods.get(method)
        if endpoint is None:
            raise MethodNotAllowed(tuple(methods), public=all(row.public for row in methods.values()))
        return endpoint, parameters

    def is_respelled(self, path: str) -> bool:
        """Whether a path is one of the table but for slashes at its end or doubled: it is not found in any host.

        No host redirects it, since the target would be made of `Host`, which the client writes (C12).
        """
        plain = "/" + "/".join(filter(None, path.split("/")))
        if plain == path:
            return False
        try:
            self._at(plain)
        except NotFound:
            return False
        return True

    def other_methods(self, path: str) -> MethodNotAllowed:
        """What is answered to all methods but those that the path of a row takes."""
        rows = [endpoint for endpoint in self.endpoints if endpoint.path == path]
        allowed = dict.fromkeys(
            method for row in rows for method in ((row.method, "HEAD") if row.method == "GET" else (row.method,))
        )
        return MethodNotAllowed(tuple(allowed), public=all(row.public for row in rows))

    def _at(self, path: str) -> tuple[dict[str, Endpoint], dict[str, str]]:
        methods = self._fixed.get(path)
        if methods is not None:
            return methods, {}
        for shape, found in self._patterns:
            if match := shape.fullmatch(path):
                return found, match.groupdict()
        raise NotFound("no such route")


def has_body(status: int) -> bool:
    """Whether an answer of this status may have content (RFC 9110 §6.4.1)."""
    return status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
