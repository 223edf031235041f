"""Whether a path lies below a protected prefix, for every router that may stand behind the middleware (C13, N2).

The rule: if a router serves a request from below the prefix, the path is covered. Routers read one path in many ways.
They match it as received, or without the mount's `root_path`, wherever in it that stands. They fold case, decode once
more, drop `;parameters`, doubled slashes or a trailing dot, read a backslash as a slash, or resolve `..`, in any order.
So both sides are brought to one plain form, in which all these readings agree: a list of folded segments. What `..`
removes depends on the order of the steps, so a path with `..` is covered if the prefix is a *subsequence* of its
segments: for every way of resolving it, the remaining segments are in the path in that order. Errors are always on the
safe side: an unusual path to a public resource may need a credential.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import msgspec

from sealring.sessions.grant import is_scope

_ORDINARY = re.compile(r"/|(?:/(?!\.)[\w!$&'()*+,=:@~.-]*(?<![./]))+/?", re.ASCII)
"""The form of nearly all paths: no escape, no parameter, no empty segment, no dot at either end of one. In the plain
form only its case is folded."""

_IGNORED = re.compile(r"[\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u2028-\u202f\u2060-\u2064\ufeff]+")
r"""Controls, white space, invisible characters. Python's `$` matches before a trailing newline, so a router reads
`/admin\n` as `/admin`; URL parsers remove tabs and newlines everywhere."""

_ENDS = re.compile(r"[;?#][^/\\]*")
"""Parameters of a segment, and the query or fragment for a router that parses the decoded path as a URL."""

_SLASH = re.compile(r"[/\\]")
_DECODINGS = 8
"""A path that is still escaped after this many rounds is an attack: it counts as below every prefix. So does one with
a NUL, which ends the path for some readers and is dropped by others: no form of it is what both of them see."""

_PARAMETER = re.compile(r"\{[^/{}]*\}")


class Rule(msgspec.Struct, frozen=True):
    """A protected prefix in its plain form, and what a request below it needs besides a valid credential."""

    segments: tuple[str, ...]
    scopes: tuple[str, ...] = ()


def read_rules(protect: Iterable[str] | Mapping[str, Iterable[str]]) -> tuple[Rule, ...]:
    """Return the rules that `protect` describes.

    Args:
        protect: one path prefix, several, or a mapping from each prefix to the scopes that it needs.

    Raises:
        TypeError: a prefix or a scope that is not text, or one string for all scopes.
        ValueError: a prefix that cannot be compared with requests, or a scope that RFC 6749 §3.3 does not allow.
    """
    if isinstance(protect, str):
        protect = [protect]
    if isinstance(protect, Mapping):
        return tuple(Rule(_plain_prefix(prefix), _scopes(scopes)) for prefix, scopes in protect.items())
    return tuple(Rule(_plain_prefix(prefix)) for prefix in protect)


class ProtectedPaths:
    """Finds the rules that cover a path; fast when none does.

    >>> ProtectedPaths(read_rules({"/api": [], "/api/admin": ["admin"]})).scopes("/API/admin;x/users", "")
    ('admin',)
    >>> ProtectedPaths(read_rules(["/api"])).scopes("/public", "") is None
    True
    """

    __slots__ = ("_prefixes", "_rules")

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self._prefixes = tuple("/".join(("", *rule.segments, "")) for rule in rules)

    def scopes(self, path: str, root_path: str) -> tuple[str, ...] | None:
        """The scopes that a request for this path needs, of all rules that cover it; None when none does.

        Args:
            path: `scope["path"]`, decoded once, `root_path` included.
            root_path: `scope["root_path"]`, "" if there is none.
        """
        if not root_path and _ORDINARY.fullmatch(path) and not (path.lower() + "/").startswith(self._prefixes):
            return None
        covering = [rule for rule in self._rules if _covers(rule.segments, path, root_path)]
        if not covering:
            return None
        return tuple(dict.fromkeys(scope for rule in covering for scope in rule.scopes))


def _covers(prefix: tuple[str, ...], path: str, root_path: str) -> bool:
    if _is_below(prefix, path):
        return True
    if not root_path or root_path not in path:
        return False
    inner = path.split(root_path, maxsplit=1)[1]  # Litestar drops whatever stands before it, too
    return _is_below(prefix, inner if inner.startswith("/") else "/" + inner)


def _is_below(prefix: tuple[str, ...], path: str) -> bool:
    segments = plain_segments(path)
    if segments is None:
        return True
    # "//host/x" and "http://host/x" mean x on that host to some routers: the prefix may begin after it
    if ".." in segments or not path.startswith("/") or path[1:2] in {"/", "\\"}:
        rest = iter(segments)
        return all(segment in rest for segment in prefix)
    return tuple(segments[: len(prefix)]) == prefix


def plain_segments(path: str) -> list[str] | None:
    """The plain form of a path: the segments that all readings agree on. None when there is none: an attack."""
    for _ in range(_DECODINGS):
        decoded = unquote(path)
        if "\0" in decoded:
            return None
        decoded = fold(_IGNORED.sub("", decoded))
        if decoded == path:
            break
        path = decoded
    else:
        return None
    return [plain for part in _SLASH.split(_ENDS.sub("", path)) if (plain := _plain_segment(part))]


def _plain_segment(segment: str) -> str:
    """Windows drops dots at the end of a name; "." is dropped, and two or more dots alone count as ".."."""
    return segment.rstrip(".") or (".." if len(segment) > 1 else "")


def fold(text: str) -> str:
    """One form for all texts that differ in case or in the form of their characters.

    Wider than `casefold`: dotless and dotted I count as i, as where Python's `re.IGNORECASE` or a Turkish file system
    compares.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).upper().casefold()).replace("i\u0307", "i")


def _plain_prefix(prefix: str) -> tuple[str, ...]:
    if not isinstance(prefix, str):
        raise TypeError(f"protect must hold path prefixes as text, not {type(prefix).__name__}")
    if not prefix.startswith("/"):
        raise ValueError("protect must hold path prefixes that begin with '/'")
    if _PARAMETER.search(prefix):
        raise ValueError("protect must hold path prefixes without {parameters}: they are compared literally")
    parts = prefix.strip("/").split("/") if prefix.strip("/") else []
    segments = plain_segments(prefix)
    if segments is None or ".." in segments or len(segments) < len(parts):
        raise ValueError("protect must hold path prefixes whose segments have a name that no router drops")
    return tuple(segments)


def _scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    if isinstance(scopes, str) or not isinstance(scopes, Iterable):
        raise TypeError("protect must map a path prefix to a list of scopes, as in {'/admin': ['admin']}")
    found = tuple(scopes)
    for scope in found:
        if not isinstance(scope, str):
            raise TypeError(f"a scope in protect must be text, not {type(scope).__name__}")
        if not is_scope(scope):
            raise ValueError(f"{scope!r} in protect is not a scope token of RFC 6749 §3.3")
    return found
