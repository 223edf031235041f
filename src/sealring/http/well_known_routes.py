"""Documents below `/.well-known` of a host, one row each: of an issuer, and of an API that takes its tokens."""

from __future__ import annotations

from dataclasses import replace

from sealring.http.endpoint import Endpoint
from sealring.http.endpoints.published import authorization_server_at_root, passkey_endpoints, protected_resource
from sealring.http.passkey_page import PASSKEY_ENDPOINTS
from sealring.http.protected_resource import PROTECTED_RESOURCE
from sealring.http.server_metadata import AUTHORIZATION_SERVER, WELL_KNOWN, name_below_well_known

WELL_KNOWN_ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET", path=f"/{AUTHORIZATION_SERVER}", run=authorization_server_at_root,
        operation_id="authorization_server_at_root", part="sessions", answers={200: None, 304: None}, public=True,
        opens=False, in_schema=False,
    ),
    Endpoint(
        method="GET", path=f"/{PROTECTED_RESOURCE}", run=protected_resource,
        operation_id="protected_resource", part="service", answers={200: None, 304: None}, public=True,
        opens=False, in_schema=False,
    ),
    Endpoint(
        method="GET", path=f"/{PASSKEY_ENDPOINTS}", run=passkey_endpoints, operation_id="passkey_endpoints",
        part="service", answers={200: None, 304: None}, public=True, opens=False, in_schema=False,
    ),
)  # fmt: skip
"""Below `/.well-known` of the host; the path of the issuer or of the API follows."""

_OF_ISSUER, _OF_RESOURCE, _PASSKEYS = WELL_KNOWN_ENDPOINTS


def well_known_of(*, issuer: str = "", resource: str = "", passkeys: bool = False) -> tuple[Endpoint, ...]:
    """The rows at the paths that they have for that issuer and that resource (RFC 8414 §3, RFC 9728 §3.1).

    >>> [row.path for row in well_known_of(issuer="https://example.com/auth", resource="https://example.com")]
    ['/oauth-authorization-server/auth', '/oauth-protected-resource']
    """
    of_paths = tuple(
        replace(row, path=name_below_well_known(row.path[1:], identifier))
        for row, identifier in ((_OF_ISSUER, issuer), (_OF_RESOURCE, resource))
        if identifier
    )
    return (*of_paths, _PASSKEYS) if passkeys else of_paths


def at_root(rows: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """The same rows by their whole paths."""
    return tuple(replace(row, path=WELL_KNOWN + row.path) for row in rows)
