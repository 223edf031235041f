"""Orders, in Python: the base install of Sealring and the standard library, no database, no secret.

It checks each request from memory, and follows in the background what the issuer revokes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

from sealring import Verifier

verifier = Verifier.from_issuer(os.environ["AUTH"], audience=os.environ["ISSUER"])


def orders(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The orders of the user who asks."""
    user = environ["sealring.principal"]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"orders of": user.subject}).encode()]


application = verifier.wsgi_health(verifier.wsgi_middleware(orders, protect={"/": ["orders:read"]}))


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request."""

    daemon_threads = True


if __name__ == "__main__":
    verifier.sync().open()
    with suppress(KeyboardInterrupt):
        make_server("127.0.0.1", int(os.environ["ORDERS_PORT"]), application, Server).serve_forever()
