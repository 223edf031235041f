"""`serve APP`, where it cannot: each mistake in the name or in the application is told apart, with what to do."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from sealring.cli.application import kind_of
from tests.cli.conftest import Said, Shell
from tests.serving import SECRET

_modules = itertools.count(1)

FLASK = "import flask\napp = flask.Flask(__name__)\ndef create_app(): return app\n"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what a test here is about
ASGI = "async def app(scope, receive, send): ...\n"


@pytest.fixture
def serve_module(shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Serves `ATTRIBUTE` of a new module with this source; its name is `M` in what is typed and said."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def serve(source: str, attribute: str, *arguments: str) -> Said:
        module = f"own_application_{next(_modules)}"
        (folder / f"{module}.py").write_text(source)
        try:
            said = shell("serve --port 0", f"{module}:{attribute}", *arguments)
        finally:
            sys.modules.pop(module, None)
        return Said(said.code, said.out, said.err.replace(module, "M"))

    return serve


@pytest.mark.parametrize(
    ("source", "attribute", "message", "hint"),
    [
        (ASGI + "other = app\n", "ap", "the module M has no ap", "ASGI applications there: app, other"),
        ("x = 1\n", "app", "the module M has no app", "there are no ASGI applications in it"),
        (ASGI, "app.inner", "the module M has no app.inner", "ASGI applications there: app"),
        ("app = None\n", "app", "M:app is no ASGI application but a NoneType", "called with scope, receive and send"),
        ("def app(scope): ...\n", "app", "M:app is no ASGI application but a function", "called with scope"),
        ("class App:\n def __call__(self, *scope): ...\n", "App", "M:App is a class", "give an instance of it"),
        ("def make(): ...\n", "make", "M:make is a function without arguments", "add --factory"),
        (FLASK, "app", "M:app is a WSGI application, and `serve` runs ASGI applications", "gunicorn M:app"),
        ("def app(env, start): return []\n", "app", "M:app is a WSGI application", "gunicorn M:app"),
        ("def app(environ, start_response, more=None): return []\n", "app", "M:app is a WSGI application", "gunicorn"),
    ],
)  # fmt: skip
def test_what_is_no_asgi_application_is_told_apart(
    serve_module: Shell, source: str, attribute: str, message: str, hint: str
) -> None:
    said = serve_module(source, attribute)
    assert said.code == 1
    assert said.error.startswith(message)
    assert hint in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("source", "attribute", "message", "hint"),
    [
        ("async def make(): ...\n", "make", "M:make is an async function", "calls a function that returns at once"),
        (ASGI, "app", "M:app is an application, not a function that makes one", "leave out --factory"),
        ("class App: ...\n", "App", "M:App is a class", "give a function that returns the application"),
        ("def make(settings): ...\n", "make", "M:make cannot be called without arguments", "--factory gives it none"),
        ("def make(): return 1\n", "make", "what M:make returned is no ASGI application but an int", "scope"),
        (FLASK, "create_app", "what M:create_app returned is a WSGI application", "gunicorn 'M:create_app()'"),
        ("def make(): ...\n", "mak", "the module M has no mak", "functions without arguments there: make"),
    ],
)  # fmt: skip
def test_what_makes_no_application_is_told_apart(
    serve_module: Shell, source: str, attribute: str, message: str, hint: str
) -> None:
    said = serve_module(source, attribute, "--factory")
    assert said.code == 1
    assert said.error.startswith(message)
    assert hint in said.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("app", "APP must be module:app, as in app:app"),
        ("shop/main.py", "APP must be module:app, as in shop.main:app"),
        ("app.py:api", "APP must be module:app, as in app:api"),
        ("./shop/main.py:app", "APP must be module:app, as in shop.main:app"),
        ("my-shop:app", "APP must be module:app, as in shop.main:app"),
        (":", "APP must be module:app, as in shop.main:app"),
        ("--factory", "--factory needs APP, as in shop.main:create_app"),
        ("app:app --no-demo", "--no-demo is the auth service alone: leave out APP, or --no-demo"),
    ],
)
def test_a_wrong_form_is_wrong_usage(shell: Shell, folder: Path, line: str, message: str) -> None:
    said = shell(f"serve --port 0 {line}")
    assert said.code == 2
    assert said.error == message
    assert list(folder.iterdir()) == []


def test_a_module_that_is_not_there(shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    said = shell("serve --port 0 shoop.main:app")
    assert said.error == "there is no module shoop"
    assert f"hint: run it in the folder that shoop.py or shoop/ is in; this is {folder}" in said.err
    (folder / "shop.py").write_text(ASGI)
    assert "hint: did you mean shop:app?" in shell("serve --port 0 shoop:app").err


def test_a_module_that_the_application_lacks_is_its_own_matter(serve_module: Shell) -> None:
    said = serve_module("import numbpy\n", "app")
    assert said.code == 1
    assert "line 1, in <module>\n    import numbpy\n" in said.err
    assert "ModuleNotFoundError: No module named 'numbpy'\n" in said.err
    assert said.err.splitlines()[-1] == "sealring: error: importing M failed: ModuleNotFoundError"


@pytest.mark.parametrize(
    ("source", "cause", "shown"),
    [
        ("def f():\n    1 / 0\nf()\n", "ZeroDivisionError", "line 2, in f"),
        ("def (\n", "SyntaxError", "line 1\n"),
        ("import sys\nsys.exit('no, not now')\n", "it ended the program (no, not now)", "line 2, in <module>"),
    ],
)
def test_an_import_that_raises_shows_the_application_s_own_traceback(
    serve_module: Shell, source: str, cause: str, shown: str
) -> None:
    said = serve_module(source, "app")
    assert said.code == 1
    assert shown in said.err
    assert "importlib" not in said.err
    assert "sealring/cli" not in said.err
    assert said.err.splitlines()[-1] == f"sealring: error: importing M failed: {cause}"


def test_i15_no_traceback_shows_a_secret_or_steers_the_terminal(
    serve_module: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALRING_SECRET", SECRET)
    monkeypatch.setenv("SEALRING_DATABASE_URL", "postgresql://app:very%21private@127.0.0.1/x")
    names = "os.environ['SEALRING_SECRET'], 'very!private', os.environ['SEALRING_DATABASE_URL']"
    source = f"import os\nraise ValueError({names})"
    said = serve_module(source, "app")
    assert "ValueError: ('***', '***', 'postgresql://app:***@127.0.0.1/x')" in said.err
    assert SECRET not in said.err
    said = serve_module("class E(Exception):\n def __str__(self): return '\\x1b[2Jgone'\nraise E", "app")
    assert "\x1b" not in said.err
    assert "\\x1b[2Jgone" in said.err


def test_an_error_of_ours_is_one_line_with_the_place_that_caused_it(serve_module: Shell) -> None:
    said = serve_module("import sealring\n\nauth = sealring.Sealring()\n", "app")
    assert said.error == "M.py line 3: SEALRING_SECRET is not set"
    assert "hint: run `sealring secret`" in said.err


def test_settings_are_looked_at_before_the_application_is(serve_module: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALRING_SECRTE", SECRET)
    said = serve_module("print('imported')\n", "app")
    assert said.error == "unknown setting SEALRING_SECRTE"
    assert said.out == ""


def test_no_secret_is_written_for_an_application_of_one_s_own(serve_module: Shell, folder: Path) -> None:
    serve_module("app = 1\n", "app")
    assert not (folder / ".env").exists()
    assert not (folder / "sealring.db").exists()


@pytest.mark.parametrize(
    ("host", "issuer", "warning"),
    [
        (EVERYWHERE, "", "issuer: SEALRING_ISSUER is not set: unless the application gives issuer=, it is http://"),
        (EVERYWHERE, "https://shop.example.com", ""),
        ("127.0.0.1", "", ""),
        ("127.0.0.1", "http://shop.example.com", "cookies: the issuer is plain http beyond this machine"),
    ],
)  # fmt: skip
def test_an_issuer_that_shuts_browsers_out_is_warned_of_here_too(
    serve_module: Shell, monkeypatch: pytest.MonkeyPatch, host: str, issuer: str, warning: str
) -> None:
    monkeypatch.setenv("SEALRING_ISSUER", issuer)
    said = serve_module("app = 1\n", "app", "--host", host)
    first = said.err.splitlines()[0]
    assert first.startswith(f"sealring: warning: {warning}" if warning else "sealring: error: M:app is no ASGI")


def test_an_object_that_cannot_be_looked_at_is_passed_over(serve_module: Shell) -> None:
    said = serve_module(f"from flask import request, current_app\n{ASGI}", "nothing")
    assert "hint: ASGI applications there: app\n" in said.err


class Callable3:
    async def __call__(self, scope: object, receive: object, send: object) -> None: ...


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (Callable3(), "asgi"), (lambda *_: None, "asgi"), (lambda scope, receive, send: None, "asgi"),  # noqa: ARG005
        (lambda environ, start, more=1: None, "wsgi"), (lambda a, b: None, "wsgi"), (lambda: None, "factory"),  # noqa: ARG005
        (lambda a: None, "other"), (Callable3, "class"), (3, "other"), (print, "asgi"),  # noqa: ARG005
    ],
)  # fmt: skip
def test_kinds(found: object, kind: str) -> None:
    assert kind_of(found) == kind
