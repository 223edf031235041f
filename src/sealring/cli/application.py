"""Finds the ASGI application that `serve module:app` names, and says what is wrong when there is none.

An exception of the application's own code keeps its traceback, without the frames of the import machinery and without
the values that settings hold as secrets. Ours become one line with the file and line of the application that caused it.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal

from sealring.cli.output import hint_of
from sealring.errors import ConfigurationError, SealringError

Kind = Literal["asgi", "wsgi", "factory", "class", "other"]

PACKAGE = Path(__file__).parents[1]
GUNICORN = "serve it with gunicorn, which has the same routes and checks: gunicorn {name}"


class ApplicationFailed(ConfigurationError):
    """The application's own code raised; `traceback` is where."""

    def __init__(self, message: str, traceback_text: str) -> None:
        super().__init__(message, None)
        self.traceback = traceback_text


@dataclass(frozen=True, slots=True)
class ApplicationName:
    """`module:app`, as it was typed; `factory` when it names a function that makes the application."""

    module: str
    attribute: str
    factory: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


def parse_name(text: str, *, factory: bool) -> ApplicationName:
    """Read `module:app`.

    >>> str(parse_name("shop.main:app", factory=False))
    'shop.main:app'

    Raises:
        ValueError: it has another form; the message says which one it should have.
    """
    module, colon, attribute = text.partition(":")
    dotted = module.removesuffix(".py").strip("./").replace("/", ".")
    parts = [*module.split("."), *attribute.split(".")]
    if colon and not module.endswith(".py") and all(part.isidentifier() for part in parts):
        return ApplicationName(module, attribute, factory)
    wanted = f"{dotted}:{attribute or 'app'}"
    example = wanted if all(part.isidentifier() for part in wanted.replace(":", ".").split(".")) else "shop.main:app"
    raise ValueError(f"APP must be module:app, as in {example}")


def load_application(name: ApplicationName) -> Callable[..., Any]:
    """Import the application; the current folder comes first on the import path.

    Raises:
        ConfigurationError: there is none of this name, or it is no ASGI application.
        ApplicationFailed: its own code raised.
    """
    if sys.path[:1] != [here := str(Path.cwd())]:
        sys.path.insert(0, here)
    found = _attribute(name, _import(name))
    if name.factory:
        found = _made(name, found)
    if (kind := kind_of(found)) != "asgi":
        raise ConfigurationError(*_no_application(name, found, kind))
    application: Callable[..., Any] = found
    return application


def kind_of(found: object) -> Kind:
    """What an object is, by the arguments that a call of it takes.

    >>> def shop(environ, start_response): ...
    >>> kind_of(shop)
    'wsgi'
    """
    if inspect.isclass(found):
        return "class"
    try:
        signature = inspect.signature(found)  # type: ignore[arg-type]  # TypeError says that it cannot be called
    except Exception:  # noqa: BLE001 - a proxy of a framework raises its own outside of a request
        return "other"
    if next(iter(signature.parameters), "") == "environ":
        return "wsgi"
    by_arguments: tuple[tuple[int, Kind], ...] = ((3, "asgi"), (2, "wsgi"), (0, "factory"))
    return next((kind for number, kind in by_arguments if _takes(signature, number)), "other")


def _takes(signature: inspect.Signature, number: int) -> bool:
    try:
        signature.bind(*[None] * number)
    except TypeError:
        return False
    return True


def _import(name: ApplicationName) -> ModuleType:
    try:
        return importlib.import_module(name.module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name.module}.".startswith(f"{error.name}."):
            raise _failure(f"importing {name.module} failed", error) from None
        near = get_close_matches(error.name, [path.stem for path in Path.cwd().glob("*.py")], n=1)
        hint = f"did you mean {near[0]}:{name.attribute}?" if near else _where(error.name)
        raise ConfigurationError(f"there is no module {error.name}", hint) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the application's own code
        raise _failure(f"importing {name.module} failed", error) from None


def _where(module: str) -> str:
    return f"run it in the folder that {module}.py or {module}/ is in; this is {Path.cwd()}"


def _attribute(name: ApplicationName, module: ModuleType) -> Any:
    found: Any = module
    for part in name.attribute.split("."):
        if not hasattr(found, part):
            kind: Kind = "factory" if name.factory else "asgi"
            names = [each for each, value in vars(module).items() if each[0] != "_" and _is_own(module, value, kind)]
            wanted = "functions without arguments" if name.factory else "ASGI applications"
            hint = f"{wanted} there: {', '.join(names)}" if names else f"there are no {wanted} in it"
            raise ConfigurationError(f"the module {name.module} has no {name.attribute}", hint)
        found = getattr(found, part)
    return found


def _is_own(module: ModuleType, value: object, kind: Kind) -> bool:
    """Whether it is of that kind, and no function that the module has imported."""
    imported = inspect.isroutine(value) and getattr(value, "__module__", None) != module.__name__
    return not imported and kind_of(value) == kind


def _made(name: ApplicationName, factory: Any) -> Any:
    kind = kind_of(factory)
    if kind == "asgi":
        raise ConfigurationError(f"{name} is an application, not a function that makes one", "leave out --factory")
    if inspect.iscoroutinefunction(factory):
        raise ConfigurationError(f"{name} is an async function", "--factory calls a function that returns at once")
    if kind == "class":
        raise ConfigurationError(f"{name} is a class", "give a function that returns the application")
    if kind != "factory":
        raise ConfigurationError(f"{name} cannot be called without arguments", "--factory gives it none")
    try:
        return factory()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the application's own code
        raise _failure(f"{name} failed", error) from None


def _no_application(name: ApplicationName, found: object, kind: Kind) -> tuple[str, str]:
    what = f"what {name} returned" if name.factory else str(name)
    if kind == "wsgi":
        typed = f"'{name}()'" if name.factory else str(name)
        hint = GUNICORN.format(name=typed)
        if type(found).__module__.startswith("django."):
            hint += "; or give Django's ASGI application, as in mysite.asgi:application"
        return f"{what} is a WSGI application, and `serve` runs ASGI applications", hint
    if kind == "factory" and not name.factory and inspect.isfunction(found):
        return f"{what} is a function without arguments", "if it makes the application, add --factory"
    if kind == "class":
        return f"{what} is a class", f"give an instance of it, as in app = {name.attribute}()"
    form = "an ASGI application is called with scope, receive and send"
    return f"{what} is no ASGI application but {_article(type(found).__name__)}", form


def _article(word: str) -> str:
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"


def _failure(what: str, error: BaseException) -> ConfigurationError:
    """What the reader needs: of ours the message and the line of theirs that caused it, else the whole traceback."""
    if isinstance(error, SealringError):
        place = _place(error.__traceback__)
        return ConfigurationError(f"{place}{error}", hint_of(error))
    cause = f"it ended the program ({error})" if isinstance(error, SystemExit) else type(error).__name__
    return ApplicationFailed(f"{what}: {cause}", traceback_of(error))


def _place(trace: TracebackType | None) -> str:
    """File and line in the application that led to an error of ours; empty where none did."""
    here = Path.cwd()
    for frame in reversed(traceback.extract_tb(trace)):
        path = Path(frame.filename)
        if path.is_relative_to(here) and not path.is_relative_to(PACKAGE) and "site-packages" not in path.parts:
            return f"{path.relative_to(here)} line {frame.lineno}: "
    return ""


def traceback_of(error: BaseException) -> str:
    """The traceback from the first frame of the application on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and _is_machinery(trace):
        trace = trace.tb_next
    if trace is not None and _is_machinery(trace):  # a module that does not even compile has no frame
        trace = None
    return "".join(traceback.format_exception(type(error), error, trace))


def _is_machinery(trace: TracebackType) -> bool:
    file = trace.tb_frame.f_code.co_filename
    return file.startswith((str(PACKAGE / "cli"), "<frozen importlib", str(Path(importlib.__file__).parent)))
