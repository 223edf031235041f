"""`InMemorySealring`: the production code on a clock that moves, fast, and not for production."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealring import Grant, Session, SessionEnded, StoreUnavailable, WrongCredentials
from sealring.accounts.argon2id import OWASP_2024
from sealring.errors import ConfigurationError, Expired, Stale
from sealring.issuer.hashing import PasswordHasher
from sealring.sealring import Sealring
from sealring.sync import SyncSealring
from sealring.testing import FrozenClock, InMemorySealring, access_token

PASSWORD = "correct horse fine staple"
SECRET = "q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use"


@pytest.fixture
def auth() -> InMemorySealring:
    return InMemorySealring(registration="open")


@pytest.fixture
def s(auth: InMemorySealring) -> Iterator[SyncSealring]:
    with auth.sync() as opened:
        yield opened


def test_a_token_expires_when_the_clock_says_so(auth: InMemorySealring, s: SyncSealring) -> None:
    token = s.start_session("42").access_token.text
    auth.clock.advance("30m")
    assert auth.verify(token).subject == "42", "the leeway"
    auth.clock.advance("6s")
    with pytest.raises(Expired):
        auth.verify(token)


@pytest.mark.parametrize(("passes", "hint"), [("13d", "within the idle limit"), ("15d", "idle")])
def test_a_session_ends_when_it_is_idle(auth: InMemorySealring, s: SyncSealring, passes: str, hint: str) -> None:
    issued = s.start_session("42")
    auth.clock.advance(passes)
    if hint != "idle":
        assert auth.verify(s.refresh_session(issued.refresh_token).access_token.text).subject == "42"
        return
    with pytest.raises(SessionEnded):
        s.refresh_session(issued.refresh_token)


def test_a_session_ends_at_its_absolute_end(auth: InMemorySealring, s: SyncSealring) -> None:
    issued = s.start_session("42")
    for _ in range(8):
        auth.clock.advance("11d")
        issued = s.refresh_session(issued.refresh_token)
    auth.clock.advance("2d")
    with pytest.raises(SessionEnded):
        s.refresh_session(issued.refresh_token)


def test_it_works_on_after_a_year_in_one_step(auth: InMemorySealring, s: SyncSealring) -> None:
    """The keys, the declared life of tokens and the follower are past all their dates."""
    s.start_session("42")
    auth.clock.advance("400d")
    issued = s.start_session("42")
    assert auth.verify(issued.access_token.text).subject == "42"
    assert s.revoke_subject("42") == 1 + 1
    assert asyncio.run(auth.store.time_ms()) == auth.clock.now_ms()


def test_an_outage_makes_every_check_stale_and_ends_at_once(auth: InMemorySealring, s: SyncSealring) -> None:
    issued = s.start_session("42")
    with auth.outage():
        with pytest.raises(Stale):
            auth.verify(issued.access_token.text)
        with pytest.raises(StoreUnavailable):
            s.refresh_session(issued.refresh_token)
    assert auth.verify(issued.access_token.text).subject == "42"
    assert s.refresh_session(issued.refresh_token).session.id == issued.session.id


def test_an_outage_ends_also_when_the_test_fails_in_it(auth: InMemorySealring, s: SyncSealring) -> None:
    token = s.start_session("42").access_token.text
    with pytest.raises(LookupError), auth.outage():
        raise LookupError
    assert auth.verify(token).subject == "42"


def test_logins_take_no_time(auth: InMemorySealring, s: SyncSealring) -> None:
    s.register("ada", PASSWORD, address="192.0.2.1")
    began = time.process_time()
    for place in range(20):
        with pytest.raises(WrongCredentials):
            s.log_in("ada", "wrong", address=f"192.0.2.{place}", device="")
        auth.clock.advance("5m")
    assert s.log_in("ada", PASSWORD, address="192.0.2.1").account.name == "ada"
    assert time.process_time() - began < 20 * 0.02, "a hash of production takes 20 ms"
    (stored,) = asyncio.run(auth.store.list_accounts())
    assert stored.password_hash is not None
    assert "$m=8,t=1,p=1$" in stored.password_hash


def test_the_application_is_asked_as_in_production() -> None:
    async def grant_for(session: Session) -> Grant:
        return Grant([f"of:{session.subject}"])

    heard = []
    auth = InMemorySealring(grant_for=grant_for, on_event=lambda event: heard.append(event.kind))
    assert auth.verify(access_token(auth, "42")).scopes == {"of:42"}
    assert "session_started" in heard
    auth.sync().close()


def test_two_know_nothing_of_each_other(auth: InMemorySealring) -> None:
    other = InMemorySealring(clock=FrozenClock(1_900_000_000))
    token = access_token(auth)
    assert auth.verify(token).subject == "42"
    with other.sync(), pytest.raises(Exception, match="key"):
        other.verify(token)
    assert other.clock.now() == 1_900_000_000
    auth.sync().close()


def test_it_reads_no_environment_and_no_dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath(".env").write_text("SEALRING_ACCESS_TTL=1s\nSEALRING_UNKNOWN=1\n")
    monkeypatch.setenv("SEALRING_SESSION_IDLE", "1s")
    settings = InMemorySealring().settings
    assert (settings.access_ttl, settings.session_idle) == (1800, 14 * 86_400)
    assert not settings.secure_cookies
    assert InMemorySealring(cookie_secure=True).settings.secure_cookies
    assert not list(tmp_path.glob("*.db"))


def test_a_setting_is_given_by_name_and_checked() -> None:
    assert InMemorySealring(access_ttl="5m").settings.access_ttl == 300
    with pytest.raises(ConfigurationError, match="ACCESS_TTL"):
        InMemorySealring(access_ttl="soon")
    with pytest.raises(TypeError):
        InMemorySealring(acess_ttl="5m")  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["database_url", "database_schema"])
def test_weak_hashes_never_reach_a_database(name: str) -> None:
    with pytest.raises(TypeError, match="has no database"):
        InMemorySealring(**{name: "postgresql://localhost/shop"})  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        InMemorySealring(store=object())  # type: ignore[call-arg]


def test_a_sealring_of_production_hashes_as_ever() -> None:
    """Nothing of the cheap hash is left behind in the class that it is derived from."""
    InMemorySealring()
    auth = Sealring(secret=SECRET, database_url="sqlite:///not-opened.db")
    hasher = auth.issuer.accounts._hasher
    assert isinstance(hasher, PasswordHasher)
    assert hasher.profile == OWASP_2024
    assert auth.issuer.accounts.attempts._answer_grid_seconds == 0.05


def in_a_process(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ})


def test_it_refuses_to_be_made_outside_of_tests() -> None:
    done = in_a_process("from sealring.testing import InMemorySealring; InMemorySealring()")
    assert done.returncode == 1
    assert "ConfigurationError: sealring.testing is for tests" in done.stderr
    assert (
        in_a_process("import unittest; from sealring.testing import InMemorySealring; InMemorySealring()").stderr == ""
    )


def test_it_needs_no_framework_and_no_test_runner() -> None:
    heavy = "pytest unittest httpx httpx2 starlette fastapi flask django litestar quart psycopg"
    done = in_a_process(f"import sys, sealring.testing; print([m for m in {heavy.split()} if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr
