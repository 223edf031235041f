"""docs/how-to/mobile.md: the file that it shows, in Node, against a server."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.docs.transcript import files
from tests.programs import required_program
from tests.serving import PASSWORD, register, shared_demo

pytestmark = pytest.mark.xdist_group("mobile")

DRIVER = """
import { Session, SignedOut } from "./session.js";
const [base, username, password] = process.argv.slice(2);
const real = globalThis.fetch;
const asked = [];
let lose = 0;
globalThis.fetch = async (url, init) => {
  asked.push(new URL(url).pathname);
  const answer = await real(url, init);
  if (new URL(url).pathname === "/auth/refresh" && lose-- > 0) throw new TypeError("the answer was lost");
  return answer;
};
const refreshes = () => asked.filter((path) => path === "/auth/refresh").length;
let kept = null;
const vault = { load: async () => kept, save: async (text) => { kept = text; } };
const outdate = async () => {  // the access token is of no use any more, the session lives
  kept = JSON.stringify({ ...JSON.parse(kept), access_token: "nonsense" });
  return new Session(base, vault);
};
const said = {};

const first = new Session(base, vault);
said.before = await first.fetch("/auth/me").catch((error) => error instanceof SignedOut);
await first.login(username, password);
said.me = (await (await first.fetch("/auth/me")).json()).username;

const restarted = await outdate();
const five = await Promise.all([1, 2, 3, 4, 5].map(() => restarted.fetch("/auth/me")));
said.five = five.map((answer) => answer.status);
said.refreshes = refreshes();

const unlucky = await outdate();
lose = 1;
said.lost = await unlucky.fetch("/auth/me").catch((error) => error.message);
said.after = (await unlucky.fetch("/auth/me")).status;

const here = await outdate();
await real(`${base}/auth/logout`, {
  method: "POST", headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ refresh_token: JSON.parse(kept).refresh_token }),
});
said.ended = await here.fetch("/auth/me").catch((error) => error instanceof SignedOut);
said.kept = Object.keys(JSON.parse(kept));

await here.login(username, password);
const { refresh_token } = JSON.parse(kept);
await here.logout();
const again = await real(`${base}/auth/refresh`, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ refresh_token }),
});
said.logout = [again.status, Object.keys(JSON.parse(kept))];
console.log(JSON.stringify(said));
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened to an app with the session of the page."""
    node, demo = required_program("node"), shared_demo()
    with demo.client() as client:
        username = register(client)["user"]["username"]
    folder = tmp_path_factory.mktemp("app")
    folder.joinpath("session.js").write_text(files("how-to/mobile.md")["session.js"])
    folder.joinpath("driver.js").write_text(DRIVER)
    folder.joinpath("package.json").write_text('{"type": "module"}')
    done = subprocess.run(
        [str(node), "driver.js", demo.url, username, PASSWORD],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return {"username": username} | read


def test_an_app_logs_in_and_asks(said: dict[str, Any]) -> None:
    assert said["before"] is True
    assert said["me"] == said["username"]


def test_five_requests_after_a_restart_share_one_refresh(said: dict[str, Any]) -> None:
    assert said["five"] == [200] * 5
    assert said["refreshes"] == 1


def test_a_lost_answer_logs_nobody_out(said: dict[str, Any]) -> None:
    assert said["lost"] == "the answer was lost"
    assert said["after"] == 200


def test_an_end_from_another_device_is_a_sign_out_that_keeps_the_device_mark(said: dict[str, Any]) -> None:
    assert said["ended"] is True
    assert said["kept"] == ["device"]
    assert said["logout"] == [401, ["device"]]
