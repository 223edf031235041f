"""What one `Sealring` gives to a Django project: the table of routes, and what they stand on."""

from __future__ import annotations

from dataclasses import dataclass

from sealring.frameworks.wsgi import WsgiAuthenticator
from sealring.http.endpoint import Routes
from sealring.http.verifying_service import VerifyingService
from sealring.sync_runner import SyncRunner

__all__ = ["DjangoHost"]


@dataclass(frozen=True, slots=True)
class DjangoHost:
    """`auth.django()`; `sealring.frameworks.django` asks for it."""

    service: VerifyingService
    authenticator: WsgiAuthenticator
    """Finds the sender of a request under WSGI. Under ASGI `service.authenticator` does."""
    runner: SyncRunner
    """Runs what needs an event loop."""
    routes: Routes
