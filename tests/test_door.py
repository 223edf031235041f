"""What stands at the door, and what opening it costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sealring
from sealring import Sealring, errors
from sealring.http import request_errors
from sealring.issuer.account_commands import AccountCommands

DEMO = Path(sealring.__file__).parent / "demo"
HEAVY = ("argon2", "click", "fastapi", "httpx", "httpx2", "pydantic", "rich", "sqlite3", "starlette", "uvicorn")


def test_the_door_holds_exactly_these_names() -> None:
    assert sealring.__all__ == [
        "Account",
        "AccountInactive",
        "AccountRefused",
        "BegunLogin",
        "ConfigurationError",
        "ConnectionEnded",
        "CrossSite",
        "EmailUnverified",
        "Event",
        "ForeignPrincipal",
        "Grant",
        "InvalidField",
        "InvalidMailLink",
        "InvalidPendingLogin",
        "InvalidProof",
        "InvitationRequired",
        "Issued",
        "KeyRefused",
        "LoggedIn",
        "MailMessage",
        "MailRefused",
        "Mailer",
        "MethodNotAllowed",
        "NameTaken",
        "NoSuchAccount",
        "NotFound",
        "NotGranted",
        "Overloaded",
        "Principal",
        "ProofNonceRequired",
        "Reauthenticated",
        "RefreshRefused",
        "RegistrationClosed",
        "RemoteKeys",
        "RequestRefused",
        "Revoked",
        "Sealring",
        "SealringError",
        "SecondFactorRequired",
        "Session",
        "SessionEnded",
        "Settings",
        "SmtpMailer",
        "StepUp",
        "StoreUnavailable",
        "SyncSealring",
        "Throttled",
        "TokenBound",
        "TokenError",
        "TokenTooLong",
        "Unavailable",
        "UnknownMethod",
        "Verifier",
        "WrongCredentials",
        "WrongPassword",
        "load_settings",
    ]
    assert dir(sealring) == sealring.__all__
    for name in sealring.__all__:
        assert getattr(sealring, name).__name__ == name


def public_module(name: str) -> bool:
    return name in {"sealring", "sealring.jwt", "sealring.verifier"} or name.startswith("sealring.frameworks.")


@pytest.mark.parametrize("file", sorted(path.name for path in DEMO.glob("*.py")))
def test_the_demo_imports_nothing_that_is_not_public(file: str) -> None:
    """It is the example to copy from: what it needs of us, every application may use."""
    for node in ast.walk(ast.parse((DEMO / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.partition(".")[0] == "sealring"], file
        if not isinstance(node, ast.ImportFrom) or (node.module or "").partition(".")[0] != "sealring":
            continue
        assert node.module is not None
        if node.module.startswith("sealring.demo"):
            continue
        assert public_module(node.module), f"{file} imports {node.module}"
        public = importlib.import_module(node.module).__all__
        assert not {alias.name for alias in node.names} - set(public), f"{file}: not in __all__ of {node.module}"


@pytest.mark.parametrize("kind", [Sealring, AccountCommands])
def test_every_error_that_a_public_method_raises_is_at_the_door(kind: type) -> None:
    """By the section `Raises:` of each docstring: an error that is documented can be caught by name."""
    named = set()
    public = [member for name, member in inspect.getmembers_static(kind) if not name.startswith("_")]
    for member in (kind, *public):
        _, _, raised = (inspect.getdoc(member) or "").partition("Raises:\n")
        for line in re.findall(r"^    ([A-Z]\w+(?:, [A-Z]\w+)*): ", raised, re.MULTILINE):
            named |= set(line.split(", "))
    ours = {name for name in named if hasattr(errors, name) or hasattr(request_errors, name)}
    assert named - ours <= {"TypeError", "ValueError"}
    assert ours, kind
    assert ours <= set(sealring.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'Selring'"):
        _ = sealring.Selring


@pytest.mark.parametrize(
    "module", ["sealring", "sealring.jwt", "sealring.sessions.refresh", "sealring.revocation.view"]
)
def test_importing_the_light_half_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_f7_a_service_that_only_verifies_loads_no_store_and_no_sqlite() -> None:
    code = (
        "import sys, sealring.verifier, sealring.verifier.follower\n"
        "heavy = ('sqlite3', 'sealring.store', 'sealring.issuer', 'sealring.accounts')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


ISSUING = ("argon2", "dotenv", "psycopg", "sqlite3", "sealring.store", "sealring.issuer", "sealring.settings")
"""What a service that only verifies has not, in its process or on its disk."""


VERIFYING = """
import sys
sys.modules.update(dict.fromkeys({absent!r}))
from sealring.verifier import Verifier

verifier = Verifier(object(), issuer="https://auth.example.com", audience="orders")
from sealring.frameworks.fastapi import guard

guard(verifier), verifier.health_router(), verifier.backend, verifier.problem_response
from sealring.frameworks.litestar import SealringPlugin

SealringPlugin(verifier)
from flask import Flask
from quart import Quart

verifier.init_app(Flask("shop")), verifier.init_app(Quart("shop"))
verifier.wsgi_health(verifier.wsgi_middleware(print)), verifier.asgi_health(verifier.middleware(print))
verifier.sync()
import django
from django.conf import settings

settings.configure(INSTALLED_APPS=["sealring.frameworks.django"], SEALRING={{"VERIFIER": verifier}})
django.setup()
from sealring.frameworks.django import SealringMiddleware, require

SealringMiddleware(print)
import sealring.frameworks.django.checks
"""


def test_f7_a_service_that_only_verifies_needs_nothing_of_the_issuing_half_in_any_framework() -> None:
    code = VERIFYING.format(absent=ISSUING)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("line", "absent"),
    [
        ("from sealring import Sealring", "argon2"),
        ("import sealring; sealring.Sealring", "dotenv"),
        ("from sealring.frameworks.fastapi import guard", "fastapi"),
        ("from sealring.frameworks import fastapi", "starlette"),
    ],
)
def test_a_base_install_says_which_extra_is_needed(line: str, absent: str) -> None:
    code = f"import sys; sys.modules[{absent!r}] = None\n{line}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: sealring.")
    extra = "fastapi" if "frameworks" in line else "server"
    assert last.endswith(f"needs the package {absent}: pip install 'sealring[{extra}]'")


@pytest.mark.parametrize(
    ("line", "absent"),
    [
        ("from sealring import Sealring; import sealring.http.routes", "fastapi starlette"),
        ("import sealring.frameworks.asgi", "fastapi starlette"),
        ("import sealring.frameworks.starlette", "fastapi"),
    ],
)
def test_no_framework_is_needed_but_the_one_that_is_asked_for(line: str, absent: str) -> None:
    code = f"import sys; sys.modules.update(dict.fromkeys({absent.split()!r}))\n{line}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_auth_application_serves_without_any_framework() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['fastapi', 'starlette']))\n"
        "import asyncio, httpx2, logging\n"
        "from sealring import Sealring\n"
        "from sealring.store.memory import MemoryStore\n"
        "logging.disable()\n"
        "auth = Sealring(secret='q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use', store=MemoryStore())\n"
        "app = auth.middleware(auth.asgi(), protect=['/me'])\n"
        "async def ask():\n"
        "    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url='http://t') as http:\n"
        "        made = await http.post('/register', json={'username': 'ann', 'password': 'seven blue otters sing'})\n"
        "        bearer = {'Authorization': 'Bearer ' + made.json()['access_token']}\n"
        "        print((await http.get('/me')).status_code, (await http.get('/me', headers=bearer)).status_code)\n"
        "    await auth.close()\n"
        "asyncio.run(ask())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "401 200", done.stderr


@pytest.mark.parametrize(
    ("absent", "bases"), [("httpx", "httpx2"), ("httpx2", "httpx"), ("none", "httpx2 httpx"), ("httpx httpx2", "")]
)
def test_the_client_needs_one_of_the_two_libraries_and_nothing_of_the_server(absent: str, bases: str) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent.split()!r}))\n"
        "from sealring.client import Auth\n"
        "print(*(one.__module__.partition('.')[0] for one in Auth.__mro__ if one.__name__ == 'Auth'))\n"
        "ours = {name for name in sys.modules if name.startswith('sealring.')}\n"
        "others = {name for name in ours if not name.startswith('sealring.client')}\n"
        "print(*sorted(others))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if bases:
        assert done.stdout.splitlines() == [f"sealring {bases}", "sealring.errors sealring.forks"], done.stderr
    else:
        last = "ModuleNotFoundError: sealring.client needs the package httpx2: pip install 'sealring[client]'"
        assert done.stderr.splitlines()[-1] == last


def test_a_file_of_our_own_that_is_missing_is_no_matter_of_extras() -> None:
    code = "import sys; sys.modules['sealring.issuer.issuer'] = None\nfrom sealring import Sealring"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: import of sealring.issuer.issuer halted")


def test_importing_opens_nothing() -> None:
    """No file is written, no thread started, no socket made by importing everything there is."""
    code = (
        "import sys, threading\n"
        "seen = []\n"
        "def watch(event, args):\n"
        "    if event == 'open' and isinstance(args[1], str) and set(args[1]) & set('wax+'): seen.append(args[0])\n"
        "    if event.startswith(('socket.', 'subprocess.', 'sqlite3.connect')): seen.append(event)\n"
        "sys.dont_write_bytecode = True\n"
        "sys.addaudithook(watch)\n"
        "import sealring.sealring, sealring.demo.app, sealring.cli.run\n"
        "print(seen, threading.active_count())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 1"
