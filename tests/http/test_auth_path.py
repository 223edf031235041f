"""Where a browser sees the auth routes, from the request that one of them serves."""

from __future__ import annotations

import pytest

from sealring.http.auth_path import auth_path, check_auth_path


@pytest.mark.parametrize("path", ["/", "/auth", "/shop/auth", "/~ann/a.b-c_1"])
def test_a_plain_absolute_path_is_one(path: str) -> None:
    assert check_auth_path(path) == path


@pytest.mark.parametrize(
    "path", ["", "auth", "/auth/", "//", "/a//b", "/.", "/a/../b", "/a b", "/a;b", "/a%20b", "/é", "/auth\n", "/{a}"]
)
def test_any_other_text_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="must be an absolute path of letters, digits"):
        check_auth_path(path)


@pytest.mark.parametrize(
    ("path", "root_path", "depth", "seen"),
    [
        ("/auth/login", "", 1, "/auth"),
        ("/login", "", 1, "/"),
        ("/auth/sessions/x", "", 2, "/auth"),
        ("/shop/auth/login", "/shop", 1, "/shop/auth"),
        ("/auth/login", "/shop", 1, "/shop/auth"),
        ("/shop", "/shop", 1, "/"),
        # no twin of the prefix counts as it
        ("/shopping/auth/login", "/shop", 1, "/shop/shopping/auth"),
        # a root_path with a slash at its end
        ("/shop//auth/login", "/shop/", 1, "/shop/auth"),
        ("/shop/auth/login", "/shop/", 1, "/shop/auth"),
        ("/auth/login", "/shop/", 1, "/shop/auth"),
        ("/auth/login", "/", 1, "/auth"),
        # a segment that a cookie's Path cannot say ends it
        ("/a;b/auth/login", "", 1, "/"),
        ("/a/b;c/auth/login", "", 1, "/a"),
        ("/a//auth/login", "", 1, "/a"),
        ("/é/a b/auth/login", "", 1, "/%C3%A9/a%20b/auth"),
    ],
)
def test_n10_the_path_that_a_browser_asks_is_computed(path: str, root_path: str, depth: int, seen: str) -> None:
    assert auth_path({"path": path, "root_path": root_path}, depth=depth) == seen


def test_n10_a_server_may_leave_root_path_out() -> None:
    assert auth_path({"path": "/auth/login"}) == "/auth"
