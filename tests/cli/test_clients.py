"""`sealring clients`: registered once, the secret shown once."""

from __future__ import annotations

import json

from tests.cli.conftest import Shell


def test_a_client_is_added_listed_changed_and_removed(house: Shell) -> None:
    assert house("clients list").out == "no clients yet\n"
    made = house("clients add 'nightly report' --scope orders:read --scope 'orders:write audit' --introspect --json")
    client_id, secret = made.json["client_id"], made.json["client_secret"]
    assert client_id.startswith("client_")
    assert secret.startswith("sealring_secret_")
    assert len(secret) == len("sealring_secret_") + 43, "256 bits"
    (row,) = house("clients list --json").json
    assert (
        row.items()
        >= {
            "id": client_id,
            "name": "nightly report",
            "scopes": ["orders:read", "orders:write", "audit"],
            "introspects": True,
        }.items()
    )
    for command in ("clients list", "clients list --json", "audit", "audit --json"):
        shown = house(command)
        assert shown.code == 0
        assert secret not in shown.out + shown.err
    assert house(f"clients scopes {client_id} orders:read").out == f"{client_id} has the scopes: orders:read\n"
    assert house("clients list --json").json[0]["scopes"] == ["orders:read"]
    other = house(f"clients new-secret {client_id} --yes").out.splitlines()
    assert other[0] == f"client_id: {client_id}"
    assert other[1].startswith("client_secret: sealring_secret_")
    assert secret not in other[1]
    assert house(f"clients remove {client_id} --yes").out == f"removed {client_id}\n"
    assert house("clients list --json").json == []
    kinds = [json.loads(line)["kind"] for line in house("audit --json").out.splitlines()]
    assert kinds[-4:] == ["client_registered", "client_changed", "client_changed", "client_removed"]


def test_mistakes_are_named(house: Shell) -> None:
    unknown = "client_AAAAAAAAAAAAAAAA"
    for line in (f"scopes {unknown} a", f"new-secret {unknown} --yes", f"remove {unknown} --yes"):
        assert house(f"clients {line}").error == "no registered client has this id"
    assert "scope" in house("clients add x --scope 'a\"b'").error
    assert house(f"clients scopes {unknown}").code == 2
    assert "printable" in house("clients add ''").error
    assert house(f"clients remove {unknown}").error == "there is no terminal to ask for a confirmation at"
