"""The setting `SEALRING` of Django: read once, checked when it is read. It wins over the environment and `.env`.

    SEALRING = {"ISSUER": "https://shop.example", "DEFAULT_SCOPES": ["orders:read"]}
    SEALRING = {"VERIFIER": "shop.tokens.verifier"}     # a service that only verifies

Its keys are the names of the settings without their prefix, and the few of `OWN_KEYS`. Host and scheme of a request,
`SECURE_PROXY_SSL_HEADER` and `USE_X_FORWARDED_HOST` decide nothing here: an attacker writes these fields (C12).
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import close_old_connections
from django.utils.module_loading import import_string

from sealring.errors import ConfigurationError
from sealring.frameworks.django.host import DjangoHost
from sealring.http.protected_paths import ProtectedPaths, read_rules
from sealring.remote_verifier import Verifier
from sealring.sessions.grant import Grant, GrantFor
from sealring.sessions.session import Session

if TYPE_CHECKING:  # a service that only verifies has none of what issues
    from sealring.sealring import Sealring

__all__ = [
    "CURRENT", "LABEL", "OWN_KEYS", "PREFIX", "SETTING", "VERIFIER_KEYS", "Configuration", "ServedParts",
    "configuration", "configure", "get_sealring", "get_verifier", "read_setting", "served_parts", "setting_keys",
    "unknown_keys",
]  # fmt: skip

SETTING = "SEALRING"
PREFIX = f"{SETTING}_"
"""Of the settings in the environment."""
LABEL = "sealring"

OWN_KEYS = {
    "AUTH": "a Sealring of your own, or where it is (`shop.auth.auth`), in place of settings",
    "VERIFIER": "a Verifier, or where it is (`shop.tokens.verifier`): it checks tokens that another service issues",
    "GRANT_FOR": "a function, or where it is: asked at each login and refresh what the subject may do",
    "ON_EVENT": "a function, or where it is: called with each audit event",
    "ACCOUNTS": "whether with the routes of accounts of ours",
    "OAUTH": "whether with the token endpoint for OAuth clients; left out, as ACCOUNTS",
    "PROTECT": "path prefixes that need a credential, or a mapping from each to the scopes that it needs",
    "INVALID_STATUS": "the answer to a bad token there: 401 or 403",
    "USER_FIELD": "the field of the user model that holds a subject",
}
"""What `SEALRING` may hold beside settings."""

VERIFIER_KEYS = ("VERIFIER", "PROTECT", "INVALID_STATUS", "USER_FIELD")
"""What `SEALRING` may hold in a project that only verifies."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was made of the setting."""

    auth: Sealring | Verifier
    host: DjangoHost
    protected: ProtectedPaths | None
    asks_scopes: bool
    invalid_status: Literal[401, 403]
    user_field: str
    has_users: bool
    """Whether the project has a user model at all."""
    is_own: bool
    """Whether it was made here, and not by the application."""


class Current:
    """What was made of the setting, for this process: made where it is first asked for.

    Nothing is opened by that. A request reads one attribute, and asks Django's registry nothing.
    """

    def __init__(self) -> None:
        self.made: Configuration | None = None
        """None until somebody has asked."""
        self._lock = threading.Lock()

    def make(self) -> Configuration:
        """What the setting says, made once.

        Raises:
            ConfigurationError: the setting is invalid, or the application is not installed.
        """
        if not apps.is_installed("sealring.frameworks.django"):
            raise ConfigurationError('add "sealring.frameworks.django" to INSTALLED_APPS')
        with self._lock:
            if self.made is None:
                self.made = configure()
            return self.made

    def forget(self) -> None:
        """Make it again when it is asked for next: a test has changed the settings."""
        with self._lock:
            old, self.made = self.made, None
        if old is not None and old.is_own:
            old.auth.sync().close()


CURRENT = Current()


def configuration() -> Configuration:
    """What the setting says, made once for the process.

    Raises:
        ConfigurationError: the setting is invalid, or the application is not installed.
    """
    return CURRENT.made or CURRENT.make()


def get_sealring() -> Sealring:
    """The `Sealring` of this project: `get_sealring().sync()` has every use case.

    Raises:
        ConfigurationError: the setting `SEALRING` is invalid, or names a `Verifier`, or the application is not
            installed.

    >>> from django.test import override_settings
    >>> with override_settings(SEALRING={"AUTH": auth}):
    ...     get_sealring() is auth
    True
    """
    auth = configuration().auth
    if isinstance(auth, Verifier):
        raise ConfigurationError(f"{SETTING} names a Verifier: this project issues no tokens", "use get_verifier()")
    return auth


def get_verifier() -> Verifier:
    """The `Verifier` of this project: `get_verifier().verify(token)`.

    Raises:
        ConfigurationError: the setting `SEALRING` is invalid, or names no `Verifier`, or the application is not
            installed.

    >>> from django.test import override_settings
    >>> from sealring.testing import verifier_of
    >>> verifier = verifier_of(auth)
    >>> with override_settings(SEALRING={"VERIFIER": verifier}):
    ...     get_verifier() is verifier
    True
    """
    auth = configuration().auth
    if not isinstance(auth, Verifier):
        raise ConfigurationError(f"{SETTING} names no VERIFIER: this project issues its tokens", "use get_sealring()")
    return auth


def setting_keys() -> dict[str, str]:
    """Each key of `SEALRING` that is a setting, and the argument of `Sealring` that it is."""
    from sealring.settings import SETTINGS  # noqa: PLC0415 - what only verifies has none of what reads settings

    return {row.variable.removeprefix(PREFIX): name for name, row in SETTINGS.items()}


def unknown_keys(given: Mapping[str, Any]) -> dict[str, str]:
    """Each key that does not exist, with a hint.

    >>> unknown_keys({"ISUER": "https://shop.example"})
    {'ISUER': "did you mean 'ISSUER'?"}
    """
    known = [*VERIFIER_KEYS] if "VERIFIER" in given else [*setting_keys(), *OWN_KEYS]
    found = {}
    for key in given:
        if key not in known:
            nearest = get_close_matches(str(key).upper().removeprefix(PREFIX), known, n=1)
            found[str(key)] = f"did you mean {nearest[0]!r}?" if nearest else f"the keys are {', '.join(known)}"
    return found


def read_setting() -> Mapping[str, Any]:
    """The setting as it stands.

    Raises:
        ConfigurationError: it is no mapping.
    """
    given = getattr(settings, SETTING, {})
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{SETTING} must be a dict", f'as in {SETTING} = {{"ISSUER": "https://shop.example"}}')
    return given


class ServedParts(TypedDict):
    """Which parts of the routes are served; see `Sealring.router`."""

    accounts: bool
    oauth: bool | None


def served_parts(given: Mapping[str, Any]) -> ServedParts:
    """Which parts of the routes the setting asks for."""
    return {"accounts": given.get("ACCOUNTS", True), "oauth": given.get("OAUTH")}


def configure() -> Configuration:
    """Make what the setting says. Nothing is opened.

    Raises:
        ConfigurationError: the setting is invalid.
    """
    given = read_setting()
    for key, hint in unknown_keys(given).items():
        raise ConfigurationError(f"unknown key {key!r} in {SETTING}", hint)
    auth = _verifier(given) if "VERIFIER" in given else _sealring(given)
    try:
        rules = read_rules(given.get("PROTECT", ()))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"PROTECT in {SETTING}: {error}") from None
    for key, allowed in (("INVALID_STATUS", (401, 403)), ("ACCOUNTS", (True, False)), ("OAUTH", (None, True, False))):
        if key in given and given[key] not in allowed:
            raise ConfigurationError(f"{key} in {SETTING} must be one of {', '.join(map(str, allowed))}")
    _check_user_field(given.get("USER_FIELD", "pk"))
    return Configuration(
        auth=auth,
        host=auth.django() if isinstance(auth, Verifier) else auth.django(**served_parts(given)),
        protected=ProtectedPaths(rules) if rules else None,
        asks_scopes=any(rule.scopes for rule in rules),
        invalid_status=given.get("INVALID_STATUS", 401),
        user_field=given.get("USER_FIELD", "pk"),
        has_users=apps.is_installed("django.contrib.auth"),
        is_own="AUTH" not in given and "VERIFIER" not in given,
    )


def _check_user_field(name: object) -> None:
    if not apps.is_installed("django.contrib.auth") or name == "pk":
        return
    model = get_user_model()
    fields = sorted(field.name for field in model._meta.concrete_fields)  # noqa: SLF001 - Django's documented API
    if name not in fields:
        raise ConfigurationError(
            f"USER_FIELD in {SETTING} names no field of {model.__name__}: {name!r}", f"it has {', '.join(fields)}"
        )


def _verifier(given: Mapping[str, Any]) -> Verifier:
    verifier = _object(given, "VERIFIER")
    if not isinstance(verifier, Verifier):
        raise ConfigurationError(
            f"VERIFIER in {SETTING} must be a Verifier, or where one is: 'shop.tokens.verifier'",
            'as in verifier = Verifier.from_issuer("https://auth.example.com/auth", audience="orders")',
        )
    return verifier


def _sealring(given: Mapping[str, Any]) -> Sealring:
    from sealring.sealring import Sealring  # noqa: PLC0415 - as in `setting_keys`

    values = {name: given[key] for key, name in setting_keys().items() if key in given}
    if "AUTH" not in given:
        grant_for = _object(given, "GRANT_FOR")
        return Sealring(grant_for=_as_coroutine(grant_for), on_event=_object(given, "ON_EVENT"), **values)
    besides = [key for key in given if key in setting_keys() or key in {"GRANT_FOR", "ON_EVENT"}]
    if besides:
        raise ConfigurationError(
            f"{SETTING} has AUTH and {', '.join(besides)}: two places for one thing",
            "give them to the Sealring that AUTH names",
        )
    auth = _object(given, "AUTH")
    if not isinstance(auth, Sealring):
        raise ConfigurationError(f"AUTH in {SETTING} must be a Sealring, or where one is: 'shop.auth.auth'")
    return auth


def _object(given: Mapping[str, Any], key: str) -> Any:
    value = given.get(key)
    if not isinstance(value, str):
        return value
    try:
        return import_string(value)
    except ImportError as error:
        raise ConfigurationError(f"{key} in {SETTING}: cannot import {value!r}: {error}") from None


def _as_coroutine(grant_for: Callable[[Session], Any] | None) -> GrantFor | None:
    """A plain function may use the ORM: it runs in a thread, with connections that are as good as a request's."""
    if grant_for is None or iscoroutinefunction(grant_for):
        return grant_for
    if not callable(grant_for):
        raise ConfigurationError(f"GRANT_FOR in {SETTING} must be a function, or where one is")

    def ask(session: Session) -> Grant | None:
        close_old_connections()  # no request begins or ends in this thread, so nobody else does (Django's docs)
        try:
            return cast("Grant | None", grant_for(session))
        finally:
            close_old_connections()

    return cast("Callable[[Session], Awaitable[Grant | None]]", sync_to_async(ask, thread_sensitive=False))
