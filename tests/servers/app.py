"""The application that servers of these tests load: a host of the conformance table, on a database file of the test."""

from __future__ import annotations

import os
from typing import Any

from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.store.sqlite import SqliteStore
from sealring.verifier.clock import SystemClock
from tests.conformance.hosts import HOSTS, WSGI
from tests.conformance.test_hosts import SETTINGS
from tests.serving import cheap_sealring

_clock: Any = SystemClock(LEEWAY_SECONDS)
auth = cheap_sealring(SqliteStore(os.environ["TEST_DATABASE"]), _clock, poll_interval="0.1s", **SETTINGS)
_host = HOSTS[os.environ["TEST_HOST"]](auth)
app = _host.app if isinstance(_host, WSGI) else _host
