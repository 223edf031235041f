"""What the pages show of one application, from its settings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from sealring.authentication.method import Method
from sealring.errors import ConfigurationError
from sealring.http.schemas import OfferedProvider, Options
from sealring.pages.frame import Pages
from sealring.providers import OIDC
from sealring.settings import SETTINGS, Settings

MOST_STYLE_BYTES = 262_144


def options_of(settings: Settings, methods: Iterable[Method], *, mail: bool, providers: Iterable[OIDC]) -> Options:
    """What a login page may offer."""
    rows = list(methods)
    return Options(
        registration=settings.registration,
        password_min_length=settings.password_min_length,
        methods=[row.name for row in rows if row.first],
        second_methods=[row.name for row in rows if row.second],
        mail=mail,
        providers=[OfferedProvider(name=one.name, title=one.title) for one in providers],
        email_required=settings.verify_email == "required",
    )


def pages_of(settings: Settings) -> Pages | None:
    """The pages; None where they are not served.

    Raises:
        ConfigurationError: the stylesheet cannot be read.
    """
    if not settings.has_pages:
        return None
    return Pages(
        name=settings.pages_name or urlsplit(settings.issuer).netloc,
        home=settings.pages_home,
        style=_read_style(settings.pages_style) if settings.pages_style else None,
    )


def _read_style(path: str) -> bytes:
    row = SETTINGS["pages_style"]
    try:
        with Path(path).open("rb") as file:
            style = file.read(MOST_STYLE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{row.variable}: the file cannot be read: {type(error).__name__}", row.hint) from None
    if len(style) > MOST_STYLE_BYTES:
        raise ConfigurationError(f"{row.variable}: must have at most {MOST_STYLE_BYTES} bytes", row.hint)
    return style
