"""The metadata for OAuth clients, where RFC 8414 has it: at the root of the host.

    path(".well-known/", include("sealring.frameworks.django.well_known_urls"))

The path of the issuer, if it has one, is the end of the URL; so it is asked of the setting `SEALRING`.
"""

from __future__ import annotations

from django.urls import re_path

from sealring.errors import ConfigurationError
from sealring.frameworks.django.configuration import configuration
from sealring.frameworks.django.endpoints import endpoint_view
from sealring.frameworks.django.urls import name_of, pattern_of
from sealring.http.endpoint import Endpoint
from sealring.http.server_metadata import WELL_KNOWN

__all__ = ["app_name", "urlpatterns"]

app_name = "sealring-well-known"


def _rows() -> tuple[Endpoint, ...]:
    try:
        return configuration().host.routes.endpoints
    except ConfigurationError:  # a system check says so, and the middleware when it starts
        return ()


urlpatterns = [
    re_path(pattern_of(below), endpoint_view(row.path), name=name_of("/" + below.split("/")[1]))
    for row in _rows()
    if (below := row.path.removeprefix(WELL_KNOWN)) != row.path and below.startswith(("/oauth-", "/passkey-"))
]
