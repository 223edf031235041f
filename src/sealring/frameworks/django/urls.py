"""The auth routes for a project's URLs, each with its name.

    path("auth/", include("sealring.frameworks.django.urls"))

`reverse("sealring:login")` is where one of them hangs. The refresh cookie is sent to where they hang and nowhere else.
Keep `AUTH_PATH` of the setting `SEALRING` equal to it: a system check compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.urls import URLPattern, re_path

from sealring.errors import ConfigurationError
from sealring.frameworks.django.configuration import ServedParts, read_setting, served_parts
from sealring.frameworks.django.endpoints import endpoint_view
from sealring.http.endpoint import Endpoint
from sealring.http.routes import endpoints_of

__all__ = ["app_name", "name_of", "pattern_of", "patterns_of", "urlpatterns"]

app_name = "sealring"


def pattern_of(path: str) -> str:
    r"""The regular expression of a path of the table.

    >>> pattern_of("/sessions/{session_id}")
    '^sessions/(?P<session_id>[^/]+)\\Z'
    """
    return "^" + "/".join(_segments(path)) + r"\Z"


def _respelled(path: str) -> str:
    r"""The same with any number of slashes: 404 in every host, and no redirect (`^/` would be urls.W002).

    >>> _respelled("/login")
    '^(?:/*)login/*\\Z'
    """
    return "^(?:/*)" + "/+".join(_segments(path)) + r"/*\Z"


def _segments(path: str) -> Iterable[str]:
    return (f"(?P<{part[1:-1]}>[^/]+)" if part[:1] == "{" else re.escape(part) for part in path[1:].split("/"))


def name_of(path: str) -> str:
    """The name to reverse a path by.

    >>> name_of("/sessions/{session_id}"), name_of("/.well-known/jwks.json")
    ('sessions-session_id', 'well-known-jwks-json')
    """
    return re.sub(r"\W+", "-", path).strip("-")


def _parts() -> ServedParts:
    try:
        return served_parts(read_setting())
    except ConfigurationError:  # a system check says so, and the middleware when it starts
        return {"accounts": True, "oauth": None}


def patterns_of(endpoints: Iterable[Endpoint]) -> list[URLPattern]:
    """One pattern for each path of the table, whatever its methods."""
    paths = dict.fromkeys(endpoint.path for endpoint in endpoints)
    return [
        *(re_path(pattern_of(path), endpoint_view(path), name=name_of(path)) for path in paths),
        *(re_path(_respelled(path), endpoint_view(path + "/")) for path in paths),
    ]


urlpatterns = patterns_of(endpoints_of(**_parts()))
