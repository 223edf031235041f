"""Settings: every name of the contract, what wins over what, what is refused and how it is said."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from sealring import Sealring
from sealring.errors import ConfigurationError
from sealring.jwt.algorithms import ALGORITHMS
from sealring.rate_limits.networks import is_loopback
from sealring.rate_limits.rate import RateLimit
from sealring.settings import SETTINGS, AlgorithmName, Duration, Settings, SettingsArguments, load_settings
from tests.serving import SECRET


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder and an environment without settings of ours."""
    monkeypatch.chdir(tmp_path)
    for name in SETTINGS:
        monkeypatch.delenv(f"SEALRING_{name.upper()}", raising=False)
    return tmp_path


def test_the_defaults_are_the_contracts() -> None:
    settings = load_settings()
    assert {name: getattr(settings, name) for name in SETTINGS if name not in {"secret", "database_url"}} == {
        "database_schema": "",
        "issuer": "http://127.0.0.1:8000",
        "audience": "",
        "previous_issuer": "",
        "resource": "",
        "dpop": "off",
        "algorithm": "ES256",
        "access_ttl": 30 * 60,
        "session_idle": 14 * 86_400,
        "session_max": 90 * 86_400,
        "retry_window": 10,
        "max_staleness": 5,
        "poll_interval": 0.5,
        "feed_token": "",
        "status_list_url": "",
        "status_list_size": 1_048_576,
        "cookie_secure": "auto",
        "cookie_name": "sealring",
        "auth_path": "/auth",
        "allowed_origins": (),
        "password_min_length": 15,
        "password_grant": "off",
        "throttle_account": RateLimit(10, 300),
        "throttle_address": RateLimit(60, 60),
        "throttle_registration": RateLimit(60, 3600),
        "mfa": "optional",
        "mfa_scopes": (),
        "device_binding": "off",
        "bound_access_ttl": 10 * 60,
        "unbound_paths": ("/static", "/assets", "/favicon.ico"),
        "verify_email": "off",
        "email_login": "off",
        "mail_url": "",
        "mail_from": "",
        "mail_pages": "",
        "mail_templates": "",
        "mail_language": "en",
        "session_cap": 50,
        "audit_retention": 400 * 86_400,
        "key_rotation": 30 * 86_400,
        "trusted_proxies": (),
        "default_scopes": (),
        "registration": "open",
        "pages": "on",
        "pages_name": "",
        "pages_home": "/",
        "pages_style": "",
        "passkeys": "off",
        "passkey_rp_id": "",
        "passkey_page": "",
    }
    assert settings.secret == ""
    assert settings.database_url == "sqlite:///sealring.db"
    assert settings.audience_or_issuer == settings.issuer


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ACCESS_TTL", "1800", 1800),
        ("ACCESS_TTL", "1800s", 1800),
        ("ACCESS_TTL", "12h", 43_200),
        ("SESSION_MAX", "30d", 2_592_000),
        ("RETRY_WINDOW", "0", 0),
        ("RETRY_WINDOW", "500ms", 0.5),
        ("MAX_STALENESS", "2.5s", 2.5),
        ("POLL_INTERVAL", "0.25", 0.25),
        ("THROTTLE_ACCOUNT", "3/1h", RateLimit(3, 3600)),
        ("THROTTLE_ADDRESS", "100/10s", RateLimit(100, 10)),
        ("THROTTLE_REGISTRATION", "5/1d", RateLimit(5, 86_400)),
        ("SESSION_CAP", "1", 1),
        ("REGISTRATION", "invited", "invited"),
        ("ALLOWED_ORIGINS", "https://a.example, capacitor://localhost", ("https://a.example", "capacitor://localhost")),
        ("AUDIT_RETENTION", "30d", 30 * 86_400),
        ("KEY_ROTATION", "7d", 604_800),
        ("COOKIE_SECURE", "TRUE", "on"),
        ("COOKIE_SECURE", "0", "off"),
        ("COOKIE_NAME", "shop-2_b", "shop-2_b"),
        ("AUTH_PATH", "/", "/"),
        ("AUTH_PATH", "/api/v1.2/auth", "/api/v1.2/auth"),
        ("PASSWORD_MIN_LENGTH", "8", 8),
        ("ALGORITHM", "Ed25519", "Ed25519"),
        ("ALGORITHM", "EdDSA", "EdDSA"),
        ("AUDIENCE", "orders", "orders"),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8, ::1/128",
            (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128")),
        ),
        ("TRUSTED_PROXIES", "unix, 10.0.0.0/8", ("unix", ipaddress.ip_network("10.0.0.0/8"))),
        ("TRUSTED_PROXIES", "", ()),
        ("ACCESS_TTL", "", 1800),
    ],
)
def test_each_is_read_from_the_environment_and_from_the_file(
    name: str, text: str, value: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    field = name.lower()
    monkeypatch.setenv(f"SEALRING_{name}", text)
    assert getattr(load_settings(), field) == value
    monkeypatch.delenv(f"SEALRING_{name}")
    (tmp_path / ".env").write_text(f"SEALRING_{name}={text}\n")
    assert getattr(load_settings(), field) == value


def test_arguments_win_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("SEALRING_ACCESS_TTL=1m\nSEALRING_SESSION_IDLE=2m\nSEALRING_SESSION_MAX=3m\n")
    monkeypatch.setenv("SEALRING_SESSION_IDLE", "20m")
    monkeypatch.setenv("SEALRING_SESSION_MAX", "30m")
    settings = load_settings(session_max="300m")
    assert (settings.access_ttl, settings.session_idle, settings.session_max) == (60, 1200, 18_000)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ACCESS_TTL", "soon"),
        ("ACCESS_TTL", "0"),
        ("ACCESS_TTL", "-5m"),
        ("ACCESS_TTL", "2d"),
        ("ACCESS_TTL", "1.5"),
        ("SESSION_IDLE", "1h30m"),
        ("SESSION_MAX", "9999d"),
        ("RETRY_WINDOW", "-1"),
        ("RETRY_WINDOW", "nan"),
        ("RETRY_WINDOW", "1e99"),
        ("MAX_STALENESS", "0.1"),
        ("MAX_STALENESS", "0.5"),
        ("POLL_INTERVAL", "30s"),
        ("THROTTLE_ACCOUNT", "10"),
        ("THROTTLE_ACCOUNT", "0/5m"),
        ("THROTTLE_ADDRESS", "10/0.5s"),
        ("THROTTLE_REGISTRATION", "many"),
        ("SESSION_CAP", "0"),
        ("AUDIT_RETENTION", "0"),
        ("COOKIE_SECURE", "perhaps"),
        ("COOKIE_NAME", "__Host-shop"),
        ("COOKIE_NAME", "a shop"),
        ("AUTH_PATH", "auth"),
        ("AUTH_PATH", "/auth/"),
        ("AUTH_PATH", "/a;b"),
        ("AUTH_PATH", "/a/../b"),
        ("AUTH_PATH", "/{tenant}/auth"),
        ("AUTH_PATH", "//host/auth"),
        ("PASSWORD_MIN_LENGTH", "7"),
        ("PASSWORD_MIN_LENGTH", "many"),
        ("ALGORITHM", "none"),
        ("ALGORITHM", "es256"),
        ("KEY_ROTATION", "1s"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "Unix socket"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("ISSUER", "auth.example.com"),
        ("ISSUER", "ftp://auth.example.com"),
        ("ISSUER", "https://auth.example.com/?x"),
        ("ISSUER", "https://user:pass@auth.example.com"),
        ("ISSUER", "https://bücher.example"),
        ("ISSUER", "https://auth.example.com:99999"),
        ("ISSUER", "https://["),
    ],
)
def test_a_bad_value_is_a_clear_error_that_names_the_setting(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SEALRING_{name}", text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    # a poll that is longer than the bound is told by the bound's name
    assert str(caught.value).startswith(f"SEALRING_{'MAX_STALENESS' if name == 'POLL_INTERVAL' else name}: ")
    assert caught.value.hint


@pytest.mark.parametrize("name", ["SEALRING_SECRTE", "SEALRING_", "sealring_acces_ttl", "SEALRING_ACCESS_TTL_"])
def test_an_unknown_name_is_an_error_in_the_environment_and_in_the_file(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigurationError, match=f"unknown setting {name}"):
        load_settings()
    monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(f"OTHER=1\n{name}=x\n")
    with pytest.raises(ConfigurationError, match=f"unknown setting {name}"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("SEALRING_SECRTE", "did you mean SEALRING_SECRET?"),
        ("sealring_acces_ttl", "did you mean SEALRING_ACCESS_TTL?"),
        ("SEALRING_", "the settings are SEALRING_SECRET, SEALRING_DATABASE_URL, "),
    ],
)
def test_an_unknown_name_is_answered_by_the_right_one(name: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert (caught.value.hint or "").startswith(hint)


@pytest.mark.parametrize(
    "lines",
    ["SEALRING_ACCESS_TTL=1m\nSEALRING_ACCESS_TTL=2m\n", "export sealring_access_ttl=1m\nSEALRING_ACCESS_TTL=1m"],
)
def test_a_name_that_stands_twice_in_the_file_is_an_error(lines: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OTHER=1\nOTHER=2\n")
    load_settings()
    (tmp_path / ".env").write_text(lines)
    with pytest.raises(ConfigurationError, match=r"SEALRING_ACCESS_TTL stands in \.env 2 times"):
        load_settings()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("access_ttl", "99d", "SEALRING_ACCESS_TTL: must be from 1s to 1d"),
        ("retry_window", "5.1m", "SEALRING_RETRY_WINDOW: must be from 0 to 5m"),
        ("password_min_length", "3", "SEALRING_PASSWORD_MIN_LENGTH: must be a whole number from 8 to 64"),
    ],
)
def test_a_bound_is_named_with_its_unit(field: str, value: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(**named(field, value))
    assert str(caught.value) == words


def test_every_hint_for_a_bad_value_shows_a_good_one() -> None:
    refusable = set(SETTINGS) - {
        "secret",
        "database_url",
        "audience",
        "feed_token",
        "pages_name",
        "pages_style",
        "mail_templates",
    }
    for field in refusable:
        with pytest.raises(ConfigurationError) as caught:
            load_settings(**named(field, '"'))
        name, _, value = (caught.value.hint or "").removeprefix("as in ").partition("=")
        assert name == f"SEALRING_{field.upper()}"
        load_settings(**named(field, value))


def named(field: str, value: Any) -> Any:
    """One argument whose name a type checker cannot know."""
    return {field: value}


def test_an_unknown_argument_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unknown setting: acces_ttl; did you mean access_ttl"):
        Sealring(secret=SECRET, acces_ttl=5)  # type: ignore[call-arg]  # mypy must complain, or this comment is unused


def test_every_setting_is_a_typed_argument() -> None:
    arguments, values = get_type_hints(SettingsArguments), get_type_hints(Settings)
    assert list(arguments) == list(SETTINGS), "type checkers must know it too"
    for name, accepted in arguments.items():
        kinds = accepted.__args__ if isinstance(accepted, UnionType) or get_origin(accepted) is Union else (accepted,)
        taken = {get_origin(kind) or kind for kind in kinds}
        kind = get_origin(values[name]) or values[name]
        # a checker takes an int where a float is asked for, and a tuple where a sequence is
        assert taken & {kind, {int: float, tuple: Sequence}.get(kind)}, f"{name}: a value of Settings is no argument"


def test_a_value_of_any_setting_is_read_as_itself() -> None:
    """So `replace(settings, …)` checks anew, and changes nothing else."""
    settings = load_settings(**{name: row.example for name, row in SETTINGS.items() if row.example})  # type: ignore[arg-type]
    assert replace(settings) == settings
    for name, row in SETTINGS.items():
        assert row.reader.read(getattr(settings, name)) == getattr(settings, name)
    with pytest.raises(ConfigurationError, match=r"SEALRING_ACCESS_TTL: must be from 1s to 1d"):
        replace(settings, access_ttl=0)


@pytest.mark.parametrize("field", list(SETTINGS))
@pytest.mark.parametrize(
    "value",
    [None, True, b"x", object(), [None], 1j, "\ud800", "x" * 9999, 10**400, float("nan")],
    ids=lambda value: str(value)[:12].encode("ascii", "backslashreplace").decode(),
)
def test_an_argument_of_any_kind_is_a_value_or_a_clear_error(field: str, value: Any) -> None:
    try:
        load_settings(**named(field, value))
    except ConfigurationError as error:
        said = str(error)
    else:
        return
    assert said.startswith(f"SEALRING_{field.upper()}: ")
    assert len(said) < 300, "the value is not repeated"


def test_what_was_set_is_known_whatever_its_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SEALRING_SESSION_CAP=50\nSEALRING_AUDIENCE=\n")
    monkeypatch.setenv("SEALRING_ISSUER", "http://127.0.0.1:8000")
    monkeypatch.setenv("sealring_cookie_name", "sealring")
    settings = load_settings(access_ttl="30m")
    assert settings.given == {"session_cap", "issuer", "cookie_name", "access_ttl"}
    assert settings == Settings(), "what was set makes no other value"


def test_an_empty_variable_leaves_the_files_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('SEALRING_AUDIENCE="${REGION}-orders" # theirs\nSEALRING_ISSUER\n')
    monkeypatch.setenv("SEALRING_AUDIENCE", "")
    monkeypatch.setenv("REGION", "eu")
    assert load_settings().audience == "eu-orders"


def test_every_algorithm_of_the_table_can_be_set() -> None:
    assert set(get_args(AlgorithmName)) == set(ALGORITHMS)


def test_every_setting_that_code_or_a_page_names_exists() -> None:
    root = Path(__file__).parents[1]
    files = [*root.joinpath("src").rglob("*.py"), *root.glob("*.md"), *root.joinpath("docs").rglob("*.md")]
    named = {name for file in files for name in re.findall(r"\bSEALRING_[A-Z_]+\b(?!…)", file.read_text())}
    assert named - {"SEALRING_"} <= {row.variable for row in SETTINGS.values()}


@pytest.mark.parametrize(
    "field", [name for name, kind in get_type_hints(SettingsArguments).items() if kind == Duration]
)
def test_a_duration_can_be_a_timedelta(field: str) -> None:
    seconds = 3600 if field == "key_rotation" else 3
    assert getattr(load_settings(**named(field, timedelta(seconds=seconds))), field) == seconds


def test_a_timedelta_with_a_fraction_is_refused_where_whole_seconds_are_meant() -> None:
    assert load_settings(retry_window=timedelta(milliseconds=1500)).retry_window == 1.5
    with pytest.raises(ConfigurationError, match="SEALRING_ACCESS_TTL"):
        load_settings(access_ttl=timedelta(milliseconds=1500))


@pytest.mark.parametrize("given", ["a:b c", "a:b,c", "a:b, c a:b", ["a:b", "c"], ("a:b", "c", "c")])
def test_default_scopes_are_scope_tokens(given: str | list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(default_scopes=given).default_scopes == ("a:b", "c")
    if isinstance(given, str):
        monkeypatch.setenv("SEALRING_DEFAULT_SCOPES", given)
        assert load_settings().default_scopes == ("a:b", "c")


@pytest.mark.parametrize("given", ['a"b', ["a b"], [5], 5])
def test_what_is_no_scope_is_refused_without_being_shown(given: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^SEALRING_DEFAULT_SCOPES: must be scope tokens") as caught:
        load_settings(default_scopes=given)
    assert str(given) not in str(caught.value)


def test_a_file_that_is_no_text_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"SEALRING_SECRET=\xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"cannot read \.env"):
        load_settings()


def test_i15_no_error_and_no_repr_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(secret=SECRET, database_url="postgresql://user:hunter2@db/x")
    assert SECRET not in repr(settings)
    assert "hunter2" not in repr(settings)
    monkeypatch.setenv("SEALRING_PASSWORD_MIN_LENGTH", "hunter2")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("issuer", "cookie_secure", "secure"),
    [
        ("http://127.0.0.1:8000", "auto", False),
        ("http://localhost", "auto", False),
        ("http://[::1]:8000", "auto", False),
        ("http://127.9.9.9", "auto", False),
        ("https://127.0.0.1", "auto", True),
        ("https://auth.example.com", "auto", True),
        ("http://auth.example.com", "auto", True),
        ("http://localhost.example.com", "auto", True),
        ("http://127.0.0.1", "on", True),
        ("https://auth.example.com", "off", False),
    ],
)
def test_cookies_are_secure_save_over_http_on_loopback(
    issuer: str,
    cookie_secure: Any,
    secure: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert load_settings(issuer=issuer, cookie_secure=cookie_secure).secure_cookies is secure


def test_loopback_is_what_never_leaves_the_machine() -> None:
    assert [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "10.0.0.1", "")] == [  # noqa: S104 - not bound
        True, True, True, False, False, False,
    ]  # fmt: skip


def test_c17_the_byte_order_mark_of_an_editor_does_not_hide_the_first_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SEALRING_ACCESS_TTL=1m\n", encoding="utf-8-sig")
    assert load_settings().access_ttl == 60
    (tmp_path / ".env").write_text("SEALRING_ACESS_TTL=1m\n", encoding="utf-8-sig")
    with pytest.raises(ConfigurationError, match="unknown setting SEALRING_ACESS_TTL"):
        load_settings()
