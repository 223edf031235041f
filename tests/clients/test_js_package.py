"""The npm package: what is in it, that its types are right and strict, and that a server may import and render it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.write_client import BODIES
from tests.npm import PACKAGE, application, installed, package, packed, run, snippets

pytestmark = pytest.mark.xdist_group("npm")

GLOBALS = """
for (const name of ["window", "document", "location", "BroadcastChannel", "localStorage", "addEventListener"]) {
  Object.defineProperty(globalThis, name, { get() { throw new Error(`${name} was touched`); }, configurable: true });
}
"""
RENDER = """
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { App } from "./App.js";
console.log(renderToString(createElement(App)));
"""
USES = """
import { Client, Problem, type State } from "@sealring/client";
import type { Me, Tokens } from "@sealring/client/bodies";
import { useSession } from "@sealring/client/react";

const auth = new Client({ base: new URL("https://auth.example.com/auth"), delivery: "body", origins: [] });
const stop: () => void = auth.onChange((state: State) => {
  const ends: number | null = state.expiresAt;
  // @ts-expect-error a state is never written to
  state.user = null;
  void ends;
});
stop();
// @ts-expect-error the base has no default
new Client({});
// @ts-expect-error another delivery
new Client({ base: "/auth", delivery: "header" });
// @ts-expect-error a login needs a password
void auth.login({ username: "ada" });
const code: string = new Problem(new Response(), null).code;
const name: string | null | undefined = useSession(auth, { watchSeconds: 1 }).user?.username;
const answered = async (): Promise<[string | undefined, number]> => {
  const me: Me = await (await auth.fetch("/auth/me")).json();
  const tokens: Tokens = await (await auth.fetch("/auth/refresh")).json();
  // @ts-expect-error it may have come in a cookie
  const text: string = tokens.access_token;
  return [text, me.session.created_at];
};
export { answered, code, name };
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return application(tmp_path_factory.mktemp("package") / "app")


def test_the_package_holds_its_modules_its_types_and_nothing_else(tmp_path: Path) -> None:
    tarball, files = packed(tmp_path)
    assert tarball.exists()
    modules = ("client", "credentials", "errors", "index", "page", "passkey", "react")
    assert files == sorted([
        "LICENSE", "README.md", "package.json", "types/bodies.d.ts",
        *(f"src/{name}.js" for name in modules), *(f"types/{name}.d.ts" for name in modules),
    ])  # fmt: skip


def test_it_needs_nothing_at_run_time() -> None:
    named = package()
    assert "dependencies" not in named
    assert set(named["peerDependencies"]) == {"react"}
    assert named["peerDependenciesMeta"] == {"react": {"optional": True}}
    assert all(version[0].isdigit() for version in named["devDependencies"].values()), "each is one version"


def test_the_committed_types_are_those_of_the_source(tmp_path: Path) -> None:
    compiler = installed() / "typescript" / "bin" / "tsc"
    run("node", str(compiler), "-p", str(PACKAGE), "--outDir", str(tmp_path), folder=PACKAGE)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    found = {path.name: path.read_text() for path in PACKAGE.joinpath("types").iterdir() if path != BODIES}
    assert made == found, "npm run types"


def test_an_application_in_strict_typescript_compiles_and_its_mistakes_do_not(app: Path) -> None:
    app.joinpath("uses.ts").write_text(USES)
    compiler = installed() / "typescript" / "bin" / "tsc"
    for resolution in (["--module", "nodenext"], ["--module", "esnext", "--moduleResolution", "bundler"]):
        strict = ["--strict", "--exactOptionalPropertyTypes", "--noEmit", "--target", "es2022", "--lib", "es2023,dom"]
        run("node", str(compiler), *strict, *resolution, "uses.ts", folder=app)


def test_nothing_of_the_browser_is_touched_at_import(app: Path) -> None:
    """GLOBALS throw where something so much as looks at them."""
    script = (
        GLOBALS + 'const { Client } = await import("@sealring/client"); await import("@sealring/client/react");'
        'const { state } = new Client({ base: "/auth" }); console.log(state.status);'
    )
    assert run("node", "--input-type=module", "-e", script, folder=app) == "unknown\n"


def test_a_server_renders_the_hook_as_unknown(app: Path) -> None:
    """The page's own application, by React's renderer for servers: what a server component of Next comes to."""
    shown = snippets()
    app.joinpath("auth.js").write_text(shown["src/auth.js"])
    app.joinpath("App.jsx").write_text(shown["src/App.jsx"])
    esbuild = installed() / "esbuild" / "bin" / "esbuild"
    run("node", str(esbuild), "App.jsx", "--jsx=automatic", "--outfile=App.js", folder=app)
    app.joinpath("render.js").write_text(RENDER)
    assert run("node", "render.js", folder=app) == "<p>One moment…</p>\n"


@pytest.mark.parametrize(
    "call", ["login({})", "fetch('/auth/me')", "check()", "logout()", "watch()", "onChange(() => {})"]
)
def test_a_client_is_not_called_on_a_server_that_renders_for_many_users(app: Path, call: str) -> None:
    script = (
        'import { Client } from "@sealring/client"; const auth = new Client({ base: "/auth" });'
        f"try {{ await auth.{call}; }} catch (error) {{ console.log(error.name, error.message); }}"
    )
    said = run("node", "--input-type=module", "-e", script, folder=app)
    assert said.startswith("TypeError a client is one browser's")


def test_what_is_not_exported_cannot_be_imported(app: Path) -> None:
    script = 'await import("@sealring/client/src/served.js").catch((error) => console.log(error.code));'
    assert run("node", "--input-type=module", "-e", script, folder=app) == "ERR_PACKAGE_PATH_NOT_EXPORTED\n"


BASES: dict[str, str | None] = {
    "/auth": "/auth",
    "/auth/": "/auth",
    "/": "",
    "https://auth.example.com/auth/": "https://auth.example.com/auth",
    "http://127.0.0.1:8000": "http://127.0.0.1:8000",
    "auth": None,
    "./auth": None,
    "": None,
    "//evil.example/auth": None,
    "/\\evil.example": None,
    "https:auth": None,
    "javascript:alert(1)": None,
    "file:///auth": None,
    "https://ada:secret@auth.example.com/auth": None,
    "/auth?next=1": None,
    "/auth#there": None,
}
"""What an application gives, and what is kept of it; None for a TypeError."""


def test_a_base_is_a_path_or_a_url_and_never_a_guess(app: Path) -> None:
    script = (
        'import { Client } from "@sealring/client";'
        "for (const base of JSON.parse(process.argv[1])) {"
        "  try { console.log(JSON.stringify(new Client({ base }).base)); }"
        "  catch (error) { console.log(error.name, error.message); }"
        "}"
    )
    said = run("node", "--input-type=module", "-e", script, "--", json.dumps(list(BASES)), folder=app)
    assert "secret" not in said
    for (base, kept), line in zip(BASES.items(), said.splitlines(), strict=True):
        if kept is None:
            assert line.startswith("TypeError base: want the path or URL of the auth routes"), base
        else:
            assert line == f'"{kept}"', base


@pytest.mark.parametrize(
    "options",
    ["", "null", "{}", '{ base: "/auth", delivery: "header" }', '{ base: "/auth", origins: ["https://api.example/"] }',
     '{ base: "/auth", origins: ["*"] }'],
)  # fmt: skip
def test_other_options_are_a_type_error_that_names_the_argument(app: Path, options: str) -> None:
    script = (
        f'import {{ Client }} from "@sealring/client"; try {{ new Client({options}); }} '
        "catch (error) { console.log(error.name, error.message); }"
    )
    said = run("node", "--input-type=module", "-e", script, folder=app)
    assert said.startswith(("TypeError base: want", "TypeError delivery: want", "TypeError origins: want"))
