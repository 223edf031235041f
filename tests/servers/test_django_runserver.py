"""`manage.py runserver` for real: two processes, one store; gunicorn, uvicorn and hypercorn are in `test_servers`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.frameworks.test_django_page import SECRET, follow_the_page
from tests.ports import free_port
from tests.servers.running import children_of, holds_open, running
from tests.serving import bearer, register

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_runserver_opens_the_store_in_one_of_its_processes(tmp_path: Path) -> None:
    follow_the_page(tmp_path)
    with (tmp_path / "shop" / "settings.py").open("a") as file:
        file.write("\nSEALRING['THROTTLE_REGISTRATION'] = '1000/1m'\n")
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", str(port)]
    with running(command, port, tmp_path, SEALRING_SECRET=SECRET) as served, served.client() as client:
        database = tmp_path / "sealring.db"
        assert client.get("/orders").status_code == 401
        assert not database.exists(), "nothing is opened before the first request that needs it"
        assert client.get("/orders", headers=bearer(register(client)["access_token"])).status_code == 200
        processes = [served.process.pid, *children_of(served.process.pid)]
        assert len(processes) == 2
        assert [holds_open(process, database) for process in processes] == [False, True]
        assert "Traceback" not in served.log
