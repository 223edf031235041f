"""The `Verifier` of another service, for its tests: it follows an issuer in the same process, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sealring.issuer.store_source import StoreSource
from sealring.jwt.durations import Duration
from sealring.remote_verifier import Verifier
from sealring.sealring import Sealring

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


def verifier_of(
    auth: Sealring,
    *,
    audience: str | None = None,
    max_staleness: Duration = 5,
    poll_interval: Duration = 0.5,
    cookie_name: str | None = None,
    allowed_origins: Sequence[str] = (),
    resource: str | None = None,
    metrics: CollectorRegistry | None = None,
) -> Verifier:
    """A verifier that follows an issuer in this process, in the place of one that `Verifier.from_issuer` made.

    Args:
        auth: the issuer, an `InMemorySealring`; it is open while tokens are issued.
        audience: as of `Verifier`; left out, that of the issuer's tokens.
        max_staleness: as of `Verifier`.
        poll_interval: as of `Verifier`.
        cookie_name: as of `Verifier`.
        allowed_origins: as of `Verifier`.
        resource: as of `Verifier`.
        metrics: as of `Verifier`.

    Returns:
        The verifier, not open, on the clock of the issuer. As over a network, it learns of a revocation a moment after
        the issuer has acknowledged it.

    >>> from sealring.testing import InMemorySealring, access_token, verifier_of
    >>> auth = InMemorySealring(audience="orders")
    >>> with auth.sync(), verifier_of(auth).sync() as verifier:
    ...     verifier.verify(access_token(auth, "42")).subject
    '42'
    """
    settings = auth.settings
    return Verifier(
        StoreSource(auth.store, auth.issuer.keys),
        issuer=settings.issuer,
        audience=settings.audience_or_issuer if audience is None else audience,
        max_staleness=max_staleness,
        poll_interval=poll_interval,
        cookie_name=cookie_name,
        allowed_origins=allowed_origins,
        resource=resource,
        metrics=metrics,
        clock=auth.clock,
    )
