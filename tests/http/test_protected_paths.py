# ruff: noqa: RUF001
# letters that look like others are what these tests are about

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sealring.http.protected_paths import ProtectedPaths, Rule, fold, read_rules

NAMES = ["Reports", "api", "x;y", "100%", "%41", "café", "ÉCOLE", "straße", "ısı", "İl", "a.b", "a b", "ﬁle", "~u"]
PIECES = [
    "/", "//", "..", ".", "/../", "/./", "%2e", "%2E%2e", "%252e%252e", "%2f", "%252f", "%5c", "\\", "\\..\\",
    ";x=1", ";", "..;x", "?", "#", "\n", "\t", "\r", " ", "%20", "%0a", "\x00", "\u200b", "．", "．．", "／", "‥", "x",
    "data.txt", "http://h", "...", "%", "%25", "%2525", "\ufffd",
]  # fmt: skip


def covered(prefix: str, path: str, root_path: str = "") -> bool:
    return ProtectedPaths(read_rules([prefix])).scopes(path, root_path) is not None


# what a router behind us may do to a path before it compares


def resolve(path: str) -> str:
    """RFC 3986 §5.2.4, where an empty segment is one that `..` removes."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == ".." and len(kept) > 1:
            kept.pop()
        elif segment not in {".", ".."}:
            kept.append(segment)
    return "/".join(kept)


STEPS: dict[str, Callable[[str], str]] = {
    "decode": unquote,
    "lower": str.lower,
    "casefold": str.casefold,
    "upper": str.upper,
    "NFC": lambda path: unicodedata.normalize("NFC", path),
    "NFKC": lambda path: unicodedata.normalize("NFKC", path),
    "parameters": lambda path: re.sub(r";[^/]*", "", path),
    "last parameters": lambda path: path.rpartition(";")[0] if ";" in path.rpartition("/")[2] else path,
    "slashes": lambda path: re.sub("/+", "/", path),
    "backslashes": lambda path: path.replace("\\", "/"),
    "normpath": posixpath.normpath,
    "dots": resolve,
    "query": lambda path: re.split(r"[?#]", path)[0],
    "url": lambda path: urlsplit("http://h" + path).path if path.startswith("/") else path,
    "newline": lambda path: path.removesuffix("\n"),
    "strip": str.strip,
    "NUL": lambda path: path.partition("\x00")[0],
    "trailing dots": lambda path: re.sub(r"(?<=[^./])[. ]+(?=/|$)", "", path),
    "slash before": lambda path: "/" + path.lstrip("/"),
}


def read(path: str, steps: list[str]) -> str:
    for step in steps:
        path = STEPS[step](path)
    return path


def is_below(prefix: str, path: str) -> bool:
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")


def another_form(name: str) -> st.SearchStrategy[str]:
    forms = [name, name.lower(), name.upper(), name.swapcase(), unicodedata.normalize("NFD", name)]
    forms += ["".join(f"%{byte:02x}" for byte in name.encode()), name.replace("%", "%25"), name + ".", name + " "]
    return st.sampled_from(forms)


names = st.sampled_from(NAMES)
prefixes = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))


@st.composite
def attempts(draw: st.DrawFn) -> tuple[str, str]:
    """A prefix, and a path out of its names and of all that routers stumble over."""
    prefix = draw(prefixes)
    own = [another_form(name) for name in prefix.split("/")[1:]]
    path = "".join(draw(st.lists(st.one_of(st.sampled_from(PIECES), *own, st.just("/")), max_size=9)))
    return prefix, draw(st.sampled_from(["", "/", prefix, prefix + "/"])) + path


@settings(max_examples=400, deadline=None)
@given(attempts(), st.lists(st.sampled_from(sorted(STEPS)), max_size=6), st.sampled_from(["the path", "both"]))
@example(("/Reports", "/Reports/../data.txt"), [], "the path")
@example(("/Reports", "/x/..%5CReports"), ["decode", "backslashes", "normpath"], "the path")
@example(("/Reports", "/%52eports/../x"), ["decode"], "the path")
@example(("/a/Reports", "/a/%2e%2e/../Reports"), ["normpath"], "the path")
@example(("/Reports", "/Reports\n"), ["newline"], "the path")
@example(("/Reports", "/Reports\x00Reports"), ["NUL"], "the path")
@example(("/Reports", "/Reports%00.txt"), ["decode", "NUL"], "the path")
def test_n2_what_any_router_reads_as_below_the_prefix_is_covered(
    attempt: tuple[str, str], steps: list[str], read_so: str
) -> None:
    prefix, path = attempt
    sought = read(prefix, steps) if read_so == "both" else prefix
    assume(sought.strip("/."))
    if is_below(sought, read(path, steps)):
        assert covered(prefix, path)


@settings(max_examples=150, deadline=None)
@given(
    attempts(), st.sampled_from(["/mounted", "/Mounted/", "/a b"]), st.lists(st.sampled_from(sorted(STEPS)), max_size=4)
)
def test_n2_with_the_mounts_own_path_and_without_it(attempt: tuple[str, str], root_path: str, steps: list[str]) -> None:
    prefix, path = attempt
    if is_below(prefix, read(path, steps)):
        assert covered(prefix, root_path + path, root_path)
        if path.startswith("/"):
            assert covered(root_path.rstrip("/") + prefix, root_path + path, root_path)


@pytest.mark.parametrize(
    "path", ["/", "/x", "/reports-public", "/report", "/public/reports", "/x/reports;y", "/a.b/c", ""]
)
def test_what_no_router_reads_so_stays_open(path: str) -> None:
    assert not covered("/reports", path)


def test_every_form_of_a_letter_is_one_form() -> None:
    for number in range(0x110000):
        letter = chr(number)
        if "\ud800" <= letter <= "\udfff":
            continue
        one = fold(letter)
        forms = {letter.lower(), letter.upper(), letter.casefold(), unicodedata.normalize("NFD", letter), one}
        for other in forms - {letter}:
            assert fold(other) == one, hex(number)
    assert len({fold(letter) for letter in "iIıİ"}) == 1  # as Python's re.IGNORECASE has it
    assert {fold("ſ"), fold("S")} == {"s"}


def test_a_path_that_is_escaped_without_end_is_below_every_prefix() -> None:
    assert not covered("/reports", "/%" + "25" * 6 + "61")
    assert covered("/reports", "/%" + "25" * 100_000 + "61")


def test_of_several_prefixes_each_asks_for_its_scopes() -> None:
    rules = read_rules({"/": [], "/api": ["read"], "/api/Admin": ["admin", "read"], "/other": ["other"]})
    assert rules[2] == Rule(("api", "admin"), ("admin", "read"))
    paths = ProtectedPaths(rules)
    assert paths.scopes("/x", "") == ()
    assert paths.scopes("/api/x", "") == ("read",)
    assert paths.scopes("/API/admin;y/x", "") == ("read", "admin")
    assert paths.scopes("/other/../api", "") == ("read", "other")
    assert ProtectedPaths(read_rules({"/api": ["read"]})).scopes("/x", "") is None


@pytest.mark.parametrize(
    "prefix", ["", "api", "/a/{id}", "/a/../b", "/..;x", "/./a", "/;x", "/a//b", "/%2e%2e", "/a/%20"]
)
def test_a_prefix_that_nothing_can_be_compared_with_is_the_callers_mistake(prefix: str) -> None:
    with pytest.raises(ValueError, match="protect"):
        read_rules([prefix])


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ([b"/api"], TypeError),
        ({"/api": "admin"}, TypeError),
        ({"/api": None}, TypeError),
        ({"/api": [1]}, TypeError),
        ({"/api": ["a b"]}, ValueError),
        ({"/api": [""]}, ValueError),
        ({"/api": ['"']}, ValueError),
    ],
)
def test_scopes_that_no_token_has_are_the_callers_mistake(wrong: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="protect"):
        read_rules(wrong)


def test_one_prefix_may_be_given_as_text() -> None:
    assert read_rules("/api") == read_rules(["/api"]) == (Rule(("api",)),)


@pytest.mark.parametrize(
    ("path", "root_path", "covered"),
    [
        ("/app/api/x", "/app", True),
        ("/app/api/x", "/app/", True),
        ("/api/x", "/app", True),
        ("/app/public", "/app", False),
        ("/app/public", "/app/", False),
        ("/public", "", False),
        ("/public", "/app", False),
        # only what the path begins with is taken away
        ("/other/api", "/shops", False),
    ],
)
def test_n10_a_prefix_is_looked_for_with_and_without_root_path(path: str, root_path: str, covered: bool) -> None:  # noqa: FBT001
    assert (ProtectedPaths(read_rules("/api")).scopes(path, root_path) is not None) is covered
