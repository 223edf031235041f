"""The page and the API documentation as files: under a strict policy, and from no host but ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import httpx2
import pytest
from starlette.testclient import TestClient

from sealring.demo import create_app
from sealring.settings import load_settings
from tests.serving import SECRET, shared_demo


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with shared_demo().client() as client:
        yield client


class Links(HTMLParser):
    """What a document loads, and whether it has script of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.inline += [name for name in found if name.startswith("on") or name == "style"]
        if tag == "script":
            self.loaded.append(found.get("src") or "")
        elif tag in {"link", "img", "use", "iframe"}:
            self.loaded.append(found.get("href") or found.get("src") or "")


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_from_here_alone_and_has_no_inline_script(client: httpx2.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    links = Links()
    links.feed(answer.text)
    assert links.loaded
    assert links.inline == []
    for link in links.loaded:
        assert link.startswith("/"), link
        assert not link.startswith("//"), link
        assert client.get(link).status_code == 200, link


@pytest.mark.parametrize("path", ["/", "/docs", "/static/page.js", "/docs/swagger-ui-bundle.js"])
def test_the_policy_lets_no_foreign_script_run_and_nobody_frame_us(client: httpx2.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert not re.search(r"https?:|\*|unsafe-eval", headers["content-security-policy"])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_page_needs_no_build_and_imports_only_what_is_served(client: httpx2.Client) -> None:
    seen: set[str] = set()
    wanted = ["/static/page.js"]
    while wanted:
        path = wanted.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith("text/javascript")
        for target in re.findall(r"""(?:from|import\()\s*["']([^"']+)["']""", answer.text):
            assert target.startswith(("/", "./", "../")), target
            wanted.append(urljoin(path, target))
    assert {"/auth/client.js", "/auth/pages/form.js"} <= seen


def test_head_answers_as_get_without_the_body(client: httpx2.Client) -> None:
    whole, head = client.get("/"), client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize(("root_path", "auth_path"), [("", "/auth"), ("/shop", "/account/v1"), ('/s h"<', "/")])
def test_n10_the_page_says_where_its_parts_are_for_the_browser_that_asks(
    tmp_path: Path, root_path: str, auth_path: str
) -> None:
    app = create_app(load_settings(secret=SECRET, database_url=f"sqlite:///{tmp_path}/s.db", auth_path=auth_path))
    root, auth = quote(root_path), quote(root_path) + auth_path.rstrip("/")

    async def told(scope: Any, receive: Any, send: Any) -> None:
        await app(scope | {"path": root_path + scope["path"], "root_path": root_path}, receive, send)

    visitor = TestClient(told)
    page = visitor.get("/").text
    assert f'action="{auth}/login"' in page
    assert f'src="{root}/static/page.js"' in page
    assert f'href="{root}/"' in page
    assert f'from "{auth}/client.js"' in visitor.get("/static/page.js").text
    assert visitor.get(f"{auth_path.rstrip('/')}/client.js").status_code == 200
    assert f'"{root}/api/userOrders"' in visitor.get("/static/orders.js").text
    assert f'url("{root}/static/guilloche.svg")' in visitor.get("/static/page.css").text
    assert f'src="{root}/docs/swagger-ui-bundle.js"' in visitor.get("/docs").text
