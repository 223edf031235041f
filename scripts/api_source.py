"""The public names of the package, as they stand in the source: which, on which page, made of what."""

from __future__ import annotations

import ast
import doctest
import logging
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, cast

import griffe

from scripts.pages import ROOT

CONTRACT = "sealring.testing.store_contract"
ERRORS = ("sealring.errors", "sealring.http.request_errors")
START = """\
>>> import unittest  # InMemorySealring is for tests: it asks for a test runner
>>> from sealring.testing import InMemorySealring, as_user
>>> auth = InMemorySealring()
"""
STORE_START = """\
>>> from sealring.store.memory import MemoryStore
>>> from sealring.testing.store_contract.samples import NOW, a_credential, a_key, a_link, a_mail, a_session
>>> from sealring.testing.store_contract.samples import a_client, an_account, an_event, an_invitation, moved
>>> store = MemoryStore()
>>> await store.open()
"""
STARTS = {"auth": START, "store": STORE_START}
"""What examples go on from that use a name which they have not made. `auth` is opened by its first use."""


class Module(NamedTuple):
    """A module of a page, with those of its names that stand there; none: all of `__all__`."""

    path: str
    names: tuple[str, ...] = ()
    members: bool = True
    """Whether the members of its classes stand there too."""


class Page(NamedTuple):
    """A page of the API."""

    file: str
    title: str
    lead: str
    modules: tuple[Module, ...]


PAGES = (
    Page(
        "sealring",
        "Python: `sealring`",
        "What an application imports: the public object, its values, and what a service needs that only verifies.",
        (Module("sealring"), Module("sealring.issuer.account_commands", ("AccountCommands",))),
    ),
    Page(
        "errors",
        "Python: errors",
        "Every error that Sealring raises, in one tree, with its stable code.",
        tuple(Module(path) for path in ERRORS),
    ),
    Page(
        "frameworks",
        "Python: `sealring.frameworks`",
        "What each framework's own module has: guards, middleware, answers to refusals.",
        tuple(
            Module(f"sealring.frameworks.{name}", names, members)
            for name, names, members in (
                ("fastapi", (), True),
                ("starlette", (), True),
                ("litestar", (), True),
                ("quart", (), True),
                ("flask", (), True),
                ("django", (), True),
                ("django.rest_framework", (), True),
                ("django.ninja", (), True),
                ("mcp", (), True),
                ("asgi", ("HeadLimits",), True),
                ("uvicorn", ("LimitedProtocol",), False),
                ("alembic", ("TABLES", "include_name"), True),
            )
        ),
    ),
    Page(
        "providers",
        "Python: `sealring.providers`",
        "Identity providers at which accounts log in: what an application says of each.",
        (Module("sealring.providers"),),
    ),
    Page(
        "jwt",
        "Python: `sealring.jwt`",
        "Signing and verifying tokens, keys and key sets, without a store or a server.",
        (Module("sealring.jwt"),),
    ),
    Page(
        "client",
        "Python: `sealring.client`",
        "A session for programs that call a server with Sealring, by httpx2 or httpx.",
        (Module("sealring.client"),),
    ),
    Page(
        "testing",
        "Python: `sealring.testing`",
        "For tests of applications: users, tokens, a clock to move, and a `Sealring` without a database.",
        (Module("sealring.testing"), Module(CONTRACT, members=False)),
    ),
    Page(
        "stores",
        "Python: stores",
        "The methods that a store of your own must have, and what they are given and return.",
        (Module("sealring.store.protocol", ("Store",)), Module("sealring.store.records")),
    ),
)


@cache
def package() -> griffe.Module:
    """The source, read and not run."""
    logging.getLogger("griffe").setLevel(logging.CRITICAL)
    loaded = griffe.load("sealring", search_paths=[ROOT / "src"], docstring_parser="google", resolve_aliases=True)
    return cast("griffe.Module", loaded)


def module_of(path: str) -> griffe.Object:
    """A module of ours."""
    return target_of(package()[path.removeprefix("sealring.")] if "." in path else package())


def target_of(found: griffe.Object | griffe.Alias) -> griffe.Object:
    """What a name that may be imported stands for in the end."""
    return found.final_target if isinstance(found, griffe.Alias) else found


def names_of(module: Module) -> list[str]:
    """The public names of a module, in order; errors stand on a page of their own."""
    if module.names:
        return list(module.names)
    found = module_of(module.path)
    if found.exports is not None:
        own = [str(name) for name in found.exports]
        return [name for name in own if module.path in ERRORS or find(module, name).module.path not in ERRORS]
    members = ((name, one) for name, one in found.members.items() if not name.startswith("_") and not one.is_alias)
    return [name for name, one in members if one.is_class or one.is_function]


def find(module: Module, name: str) -> griffe.Object:
    """What a name of a module stands for."""
    return target_of(package()[f"{module.path}.{name}".removeprefix("sealring.")])


def public_members(found: griffe.Class) -> list[griffe.Object]:
    """The members that a reader may use: those with a docstring, and typed ones that the signature does not show."""
    members = []
    shown = {one.name for one in found.parameters}
    for name, one in found.all_members.items():
        target = target_of(one)
        is_ours = not name.startswith("_") and name not in OUR_OWN and target.path.startswith("sealring.")
        if is_ours and (target.docstring or is_row(target) or (_is_typed(found, target) and name not in shown)):
            members.append(target)
    return members


def _is_typed(found: griffe.Class, member: griffe.Object) -> bool:
    """A field of a protocol or of a typed dictionary."""
    bases = tuple(str(base) for base in found.bases)
    return isinstance(member, griffe.Attribute) and bool(member.annotation) and "Protocol" in bases


def is_made_by_methods(found: griffe.Class) -> bool:
    """Whether a reader calls methods of the class to make one, and never the class: its `__init__` says so first."""
    made = found.members.get("__init__")
    return bool(made and made.docstring and made.docstring.value.startswith("Use `"))


def is_row(member: griffe.Object) -> bool:
    """A use case of the face without an event loop, which is made from the method of the same name."""
    return member.is_attribute and str(getattr(member, "value", "")).startswith("_of_")


OUR_OWN = frozenset({"forked"})
"""Methods that only this package calls: in a forked child, `sealring.forks`."""


def code_of(docstring: str) -> str:
    """What a reader types for the examples of a docstring."""
    return "".join(one.source for one in doctest.DocTestParser().get_examples(docstring))


def starts_of(docstring: str) -> list[str]:
    """The names of `STARTS` that its examples need and have not made."""
    nodes = list(ast.walk(ast.parse(code_of(docstring))))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    made = {node.arg for node in nodes if isinstance(node, ast.arg)}
    made |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
    used = {node.id for node in names}
    return [name for name in STARTS if name in used - made]


def named_in(found: griffe.Object) -> Iterator[griffe.Object]:
    """The names of ours in the annotations of a function, a class or a field."""
    annotations: list[object] = []
    if isinstance(found, griffe.Function | griffe.Class):
        annotations += [one.annotation for one in found.parameters]
    if isinstance(found, griffe.Function):
        annotations.append(found.returns)
    if isinstance(found, griffe.Attribute):
        annotations.append(found.annotation)
    for annotation in annotations:
        for part in annotation.iterate(flat=True) if isinstance(annotation, griffe.Expr) else ():
            if isinstance(part, griffe.ExprName) and part.canonical_path.startswith("sealring."):
                target = package()[part.canonical_path.removeprefix("sealring.")]
                target = target.final_target if isinstance(target, griffe.Alias) else target
                is_alias = isinstance(target, griffe.Attribute) and not str(target.value).startswith(
                    ("TypeVar", "Param")
                )
                if is_alias or isinstance(target, griffe.Class):
                    yield target
