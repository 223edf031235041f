"""Settings: one frozen value, read once and checked when it is read.

Constructor arguments win over the environment, the environment over `.env` in the working
directory. An unknown `SEALRING_…` name is an error, because a misspelt setting that is silently
ignored is a setting that somebody believes to be in force. No value is ever printed in an error.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypedDict, Unpack
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from sealring.errors import ConfigurationError
from sealring.http.auth_path import check_auth_path
from sealring.http.client_address import TrustedProxy
from sealring.http.cookies import CookieNames
from sealring.http.fetch_metadata import origin_of
from sealring.jwt import parse_duration
from sealring.rate_limits.attempts import Rate
from sealring.sessions.grant import scope_tokens

PREFIX = "SEALRING_"
DOTENV_ENCODING = "utf-8-sig"
"""UTF-8, also with the mark that some editors put first: else the name in the first line is not ours, and ignored."""


def _seconds(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return parse_duration(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds)]
WholeSeconds = Annotated[int, BeforeValidator(_seconds)]
RateText = Annotated[
    Rate,
    NoDecode,  # a rate is no JSON, whatever pydantic-settings thinks of dataclasses
    BeforeValidator(lambda value: Rate.parse(value) if isinstance(value, str) else value),
]
Algorithm = Literal[
    "ES256", "ES384", "ES512", "Ed25519", "RS256", "RS384", "RS512",
    "PS256", "PS384", "PS512", "HS256", "HS384", "HS512",
]  # fmt: skip


_AS_IN = {
    "database_schema": "sealring",
    "issuer": "https://auth.example.com",
    "algorithm": "ES256",
    "access_ttl": "30m",
    "session_idle": "14d",
    "session_max": "90d",
    "retry_window": "10s",
    "poll_interval": "0.5s",
    "max_staleness": "5s",
    "cookie_secure": "auto",
    "cookie_name": "shop",
    "auth_path": "/auth",
    "password_min_length": "15",
    "password_grant": "off",
    "throttle_account": "10/5m",
    "throttle_address": "60/1m",
    "throttle_registration": "60/1h",
    "session_cap": "50",
    "audit_retention": "400d",
    "key_rotation": "30d",
    "trusted_proxies": "10.0.0.0/8,192.0.2.1,unix",
    "default_scopes": "orders:read orders:write",
}
"""A good value of every setting that can have a bad one: for hints, since who installs with pip has no docs folder."""


class Settings(BaseSettings):
    """All that an operator can set. `docs/settings.md` lists each with its meaning; durations are in seconds here."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding=DOTENV_ENCODING,
        env_ignore_empty=True,  # compose files hand on unset variables as empty ones
        frozen=True,
        extra="ignore",
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )

    secret: SecretStr = SecretStr("")
    database_url: SecretStr = SecretStr("sqlite:///sealring.db")
    database_schema: str = ""
    issuer: str = "http://127.0.0.1:8000"
    audience: str = ""
    algorithm: Algorithm = "ES256"
    access_ttl: WholeSeconds = Field(1800, ge=1, le=86_400)
    session_idle: WholeSeconds = Field(14 * 86_400, ge=1, le=400 * 86_400)
    session_max: WholeSeconds = Field(90 * 86_400, ge=1, le=400 * 86_400)
    retry_window: Seconds = Field(10.0, ge=0, le=300)
    poll_interval: Seconds = Field(0.5, ge=0.05, le=600)
    max_staleness: Seconds = Field(5.0, ge=0.5, le=3600)
    cookie_secure: Literal["auto", "on", "off"] = "auto"
    cookie_name: str = "sealring"
    auth_path: str = "/auth"
    password_min_length: int = Field(15, ge=8, le=64)
    password_grant: Literal["off", "on"] = "off"  # noqa: S105 - a switch
    throttle_account: RateText = Rate(10, 300)
    throttle_address: RateText = Rate(60, 60)
    throttle_registration: RateText = Rate(60, 3600)
    session_cap: int = Field(50, ge=1, le=10_000)
    audit_retention: WholeSeconds = Field(400 * 86_400, ge=1, le=10 * 366 * 86_400)
    key_rotation: WholeSeconds = Field(30 * 86_400, ge=3600)
    trusted_proxies: Annotated[tuple[TrustedProxy, ...], NoDecode] = ()
    default_scopes: Annotated[tuple[str, ...], NoDecode] = ()

    @field_validator("database_schema")
    @classmethod
    def _schema_is_a_name(cls, value: str) -> str:
        if value and (not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$-]{0,62}", value) or value.startswith("pg_")):
            raise ValueError(
                "must be a letter or _, then letters, digits, _ $ or -, 63 at most, and not begin with pg_"
            )
        return value

    @field_validator("issuer")
    @classmethod
    def _issuer_is_a_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("must be an http or https URL without user, query or fragment (RFC 8414 §2)")
        origin_of(value)
        return value

    @field_validator("cookie_secure", "password_grant", mode="before")
    @classmethod
    def _truth_words(cls, value: Any) -> Any:
        words = {"true": "on", "1": "on", "yes": "on", "false": "off", "0": "off", "no": "off"}
        return words.get(str(value).lower(), str(value).lower())

    @field_validator("cookie_name")
    @classmethod
    def _begins_cookie_names(cls, value: str) -> str:
        CookieNames.of(value, secure=True)
        return value

    @field_validator("auth_path")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        return check_auth_path(value)

    @field_validator("max_staleness")
    @classmethod
    def _poll_fits(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("poll_interval", 0):
            raise ValueError("must be longer than SEALRING_POLL_INTERVAL, or the node is stale between two polls")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        if isinstance(value, str):
            parts = [part.strip() for part in value.split(",") if part.strip()]
            return tuple("unix" if part == "unix" else ipaddress.ip_network(part) for part in parts)
        return value

    @field_validator("default_scopes", mode="before")
    @classmethod
    def _scope_tokens(cls, value: Any) -> Any:
        try:
            return scope_tokens(value.replace(",", " ").split() if isinstance(value, str) else value)
        except (TypeError, ValueError):
            raise ValueError("must be scope tokens of RFC 6749 §3.3, separated by spaces or commas") from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' own signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - we read no secrets folder
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Constructor, then environment, then `.env`."""
        return init_settings, env_settings, dotenv_settings

    @property
    def audience_or_issuer(self) -> str:
        """`aud` of our access tokens: the issuer unless set."""
        return self.audience or self.issuer

    @property
    def has_password_grant(self) -> bool:
        """Whether the token endpoint takes passwords."""
        return self.password_grant == "on"  # noqa: S105 - a switch

    @property
    def secure_cookies(self) -> bool:
        """On, except when the issuer is plain http on loopback and nothing was said."""
        if self.cookie_secure == "auto":
            parts = urlsplit(self.issuer)
            return parts.scheme == "https" or not is_loopback(parts.hostname or "")
        return self.cookie_secure == "on"

    @property
    def heartbeat_seconds(self) -> float:
        """How old the store's last acknowledged write may be before a node has it make another (F8).

        A node is as fresh as that write, and hears of the next one a poll later: both must fit within the bound, with
        most of what is left for the time that they take.
        """
        return min(1.0, (self.max_staleness - self.poll_interval) / 4)


Duration = float | str | timedelta
"""As a constructor takes it: seconds, text like "30m", or a timedelta."""


class SettingsArguments(TypedDict, total=False):
    """The settings as keyword arguments, for type checkers and completion: `Sealring(access_ttl="30m")`.

    The same names as in `Settings`; a test holds the two together.
    """

    secret: str | SecretStr
    database_url: str | SecretStr
    database_schema: str
    issuer: str
    audience: str
    algorithm: Algorithm
    access_ttl: Duration
    session_idle: Duration
    session_max: Duration
    retry_window: Duration
    poll_interval: Duration
    max_staleness: Duration
    cookie_secure: Literal["auto", "on", "off"] | bool
    cookie_name: str
    auth_path: str
    password_min_length: int
    password_grant: Literal["off", "on"] | bool
    throttle_account: Rate | str
    throttle_address: Rate | str
    throttle_registration: Rate | str
    session_cap: int
    audit_retention: Duration
    key_rotation: Duration
    trusted_proxies: str | Sequence[str | TrustedProxy]
    default_scopes: str | Sequence[str]


def is_loopback(host: str) -> bool:
    """Whether this host name or address never leaves the machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_in_dotenv() -> list[str]:
    """The names in `.env`, as often as they stand there.

    Raises:
        ConfigurationError: it cannot be read.
    """
    if not os.path.isfile(".env"):  # noqa: PTH113 - no path to keep
        return []
    try:
        with open(".env", encoding=DOTENV_ENCODING) as file:  # noqa: PTH123 - as above
            return [line.key for line in parse_stream(file) if line.key is not None]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"cannot read .env: {reason}", "it holds lines like SEALRING_SECRET=…") from None


def _check_names(environment: Iterable[str], dotenv: Sequence[str]) -> None:
    """Refuse a name that we do not know, and two lines of `.env` for one name: only the last would be in force."""
    known = [PREFIX + field.upper() for field in Settings.model_fields]
    for name in sorted({*environment, *dotenv}):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            nearest = get_close_matches(name[len(PREFIX) :].lower(), Settings.model_fields, n=1)
            hint = f"did you mean {PREFIX}{nearest[0].upper()}?" if nearest else f"the settings are {', '.join(known)}"
            raise ConfigurationError(f"unknown setting {name}", hint)
    for name, times in Counter(map(str.upper, dotenv)).items():
        if times > 1 and name in known:
            raise ConfigurationError(
                f"{name} stands in .env {times} times, and only the last would count",
                "leave one line; several secrets go on one, by comma"
                if name == "SEALRING_SECRET"
                else "leave one line",
            )


def load_settings(**given: Unpack[SettingsArguments]) -> Settings:
    """Read the settings.

    Args:
        given: values that win over environment and `.env`, by the names of `Settings`.

    Raises:
        ConfigurationError: a bad value or an unknown `SEALRING_…` name.
        TypeError: an unknown argument.
    """
    known = set(Settings.model_fields)
    if unknown := sorted(set(given) - known):
        nearest = get_close_matches(unknown[0], known, n=1)
        meant = f"; did you mean {nearest[0]}?" if nearest else ""
        raise TypeError(f"unknown setting: {', '.join(unknown)}{meant}")
    _check_names(os.environ, names_in_dotenv())
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = PREFIX + str(first["loc"][0]).upper() if first["loc"] else "settings"
        field = name.removeprefix(PREFIX).lower()
        words = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        if first["type"] in {"greater_than_equal", "less_than_equal"} and field not in {
            "password_min_length",
            "session_cap",
        }:
            words += " seconds"
        hint = f"as in {name}={_AS_IN[field]}" if field in _AS_IN else None
        raise ConfigurationError(f"{name}: {words}", hint) from None
