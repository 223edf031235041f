"""A Flask application with a secret below protected prefixes, and a route that reads paths as liberally as it can."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from flask import Flask

from sealring.frameworks.wsgi import WsgiAuthenticator, WsgiSessionMiddleware
from sealring.http.authenticate import RequestAuthenticator
from tests.attacks.test_n_paths import PROTECTED, SECRET, verify


def site() -> Any:
    app = Flask("site")
    app.url_map.merge_slashes = False

    def secret(rest: str = "") -> bytes:  # noqa: ARG001 - any path below
        return SECRET

    def folding(rest: str = "") -> bytes:
        parts: list[str] = []
        path = unquote(rest).replace("\\", "/").casefold()
        for part in (segment.partition(";")[0] for segment in path.split("/")):
            if part == "..":
                del parts[-1:]
            elif part not in {"", "."}:
                parts.append(part)
        return SECRET if parts[:1] == ["reports"] else b"public"

    for number, prefix in enumerate(PROTECTED):
        app.add_url_rule(prefix, f"secret{number}", secret)
        app.add_url_rule(f"{prefix}/<path:rest>", f"below{number}", secret)
    app.add_url_rule("/", "root", folding)
    app.add_url_rule("/<path:rest>", "folding", folding)
    return app


unguarded = site()
guarded = WsgiSessionMiddleware(
    site(), authenticator=WsgiAuthenticator(RequestAuthenticator(verify)), protect=PROTECTED
)
