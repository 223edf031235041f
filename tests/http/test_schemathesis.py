"""Every check of schemathesis against the OpenAPI document that the demo serves, and what the document must say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import environment, start

ROOT = Path(__file__).parents[2]
EXAMPLES = [4, pytest.param(40, marks=pytest.mark.slow)]
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "503"]

# JSON Schema cannot say everything of a new name or password: characters that look alike, words that everybody uses
[[operations]]
include-path-regex = "^(/auth/register|/auth/password|/api/createNewUser)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "503"]

# nor what the method reads that the path names, which mail holds a link, or that one of two members is given
[[operations]]
include-path-regex = "^/auth/(login/|reauthenticate/|email/|password/reset$|totp/confirm$)"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "422", "503"]

# nor that a parameter stands in a form once, or what a path of this host is; a browser is sent back, whatever it brings
[[operations]]
include-path-regex = "^/auth/(revoke|introspect|oidc/.*)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "303", "400", "401", "403", "404", "422", "503"]
"""


@pytest.mark.long
@pytest.mark.parametrize("examples", EXAMPLES)
def test_the_server_answers_as_its_openapi_document_says(tmp_path: Path, examples: int) -> None:
    server = start(
        tmp_path,
        SEALRING_THROTTLE_ADDRESS="100000/1m",
        SEALRING_THROTTLE_REGISTRATION="100000/1m",
        SEALRING_THROTTLE_ACCOUNT="100000/1m",
    )
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    try:
        done = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml",
                "run", f"{server.url}/openapi.json", "--checks", "all", "--max-examples", str(examples),
                "--continue-on-failure", "--seed", "1", "--warnings", "off", "--no-color",
            ],
            cwd=tmp_path,
            env=environment(
                SCHEMATHESIS_HOOKS="tests.http.schemathesis_hooks", PYTHONPATH=str(ROOT), SERVED_AT=server.url
            ),
            capture_output=True,
            text=True,
            check=False,
            timeout=580,
        )  # fmt: skip
    finally:
        server.kill()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b(\d\d+) selected / \1 total", done.stdout)
    assert "Traceback" not in server.log
