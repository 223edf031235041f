"""deploy/Dockerfile and deploy/compose.yaml: confined, without secrets, and what they start is healthy.

The ordinary run reads both and starts the image's command by hand. The slow group runs them with podman.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.compose_file import COMPOSE, arguments, in_order, interpolate, read_services
from scripts.release_files import ROOT
from sealring.settings import SETTINGS
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import SEALRING, SECRET, start

DOCKERFILE = ROOT.joinpath("deploy", "Dockerfile").read_text("utf-8").replace("\\\n", "")
VALUES = {"SEALRING_SECRET": SECRET, "POSTGRES_PASSWORD": "a password of PostgreSQL"}
OURS = ("migrate", "auth")


def instructions(name: str, text: str = DOCKERFILE) -> list[str]:
    """What stands behind an instruction, in order."""
    return re.findall(rf"^{name} (.*)$", text, re.MULTILINE)


def test_the_image_runs_as_a_user_without_a_name_that_could_be_roots_and_has_no_secret() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert instructions("USER", last) == ["10001:10001"]
    assert last.index("\nUSER ") < last.index("\nCMD ")
    assert not re.search(r"SECRET|PASSWORD|TOKEN", DOCKERFILE)
    assert not re.search(r"\b(curl|wget|apt-get|ADD)\b", DOCKERFILE)


def test_the_image_is_made_of_the_lock_and_of_files_that_reach_the_build() -> None:
    (sync,) = [line for line in instructions("RUN") if " sync " in line]
    assert {"--frozen", "--no-default-groups", "--no-editable"} <= set(sync.split())
    known = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert set(re.findall(r"--extra (\w+)", sync)) == {"server", "postgres", "metrics"} <= known.keys()
    copied = [word for line in instructions("COPY") if "--from" not in line for word in line.split()[:-1]]
    rules = [line for line in ROOT.joinpath(".dockerignore").read_text().splitlines() if line[0] != "#"]
    assert rules == ["*", *(f"!{name}" for name in copied), "**/__pycache__"], "nothing else, so no .env"
    assert all(ROOT.joinpath(name).exists() for name in copied)


def test_the_services_of_sealring_are_confined_and_told_settings_that_exist() -> None:
    for name in OURS:
        service = read_services(VALUES)[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["environment"].keys() <= {row.variable for row in SETTINGS.values()}
        assert service["environment"]["SEALRING_SECRET"] == SECRET
        assert not any("sealring.db" in str(value) for value in service.values()), "PostgreSQL has all"


def test_what_is_published_is_for_this_machine_until_a_proxy_stands_in_front() -> None:
    published = [one for service in read_services(VALUES).values() for one in service.get("ports", ())]
    assert published == ["127.0.0.1:8000:8000"]


@pytest.mark.parametrize("name", VALUES)
def test_nothing_starts_without_a_secret_or_a_password_of_ones_own(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        read_services(VALUES | {name: ""})


def test_the_schema_comes_before_the_server_and_postgresql_before_the_schema() -> None:
    services = read_services(VALUES)
    assert list(in_order(services)) == ["postgres", "migrate", "auth"]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["auth"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    with pytest.raises(ValueError, match="wait for each other"):
        list(in_order({"a": {"depends_on": {"b": {}}}, "b": {"depends_on": {"a": {}}}}))


def test_a_key_of_the_compose_file_that_podman_is_not_told_is_an_error() -> None:
    for name, service in read_services(VALUES).items():
        told = arguments(name, service)
        for key in ("environment", "volumes", "ports", "tmpfs"):
            for value in service.get(key, ()):
                assert any(str(value) in word for word in told), value
    with pytest.raises(ValueError, match="privileged is not carried out"):
        arguments("auth", {"image": "sealring", "privileged": True})
    with pytest.raises(ValueError, match="CMD-SHELL is not carried out"):
        arguments("auth", {"image": "sealring", "healthcheck": {"test": ["CMD-SHELL", "true"]}})


def test_variables_are_read_as_compose_reads_them() -> None:
    assert interpolate("${A:-b} ${C:?c}", {"C": "d"}) == "b d"
    assert interpolate("${A:-b}", {"A": ""}) == "b"


def test_the_other_compose_file_builds_the_same_image() -> None:
    cluster: dict[str, Any] = yaml.safe_load(ROOT.joinpath("examples/cluster/compose.yaml").read_text("utf-8"))
    build, folder = cluster["x-node"]["build"], ROOT / "examples" / "cluster"
    assert folder.joinpath(build["context"]).resolve() == ROOT
    assert folder.joinpath(build["context"], build["dockerfile"]).resolve() == ROOT / "deploy" / "Dockerfile"
    own = read_services(VALUES)["auth"]["build"]
    assert COMPOSE.parent.joinpath(own["context"], own["dockerfile"]).resolve() == ROOT / "deploy" / "Dockerfile"


def test_the_command_of_the_image_is_healthy_by_its_own_check(tmp_path: Path) -> None:
    """By hand: the command, the environment and the health check, as they stand in the file."""
    ((command,), (check,), (inside,)) = (instructions(name) for name in ("CMD", "HEALTHCHECK", "EXPOSE"))
    port, words = free_port(), json.loads(command)
    assert words == ["sealring", "serve", "--no-demo", "--host", "0.0.0.0", "--port", inside]  # noqa: S104 - a container's
    (database,) = re.findall(r"SEALRING_DATABASE_URL=(\S+)", DOCKERFILE)
    ask = [SEALRING[0], *(one.replace(inside, str(port)) for one in json.loads(check.partition(" CMD ")[2])[1:])]
    assert subprocess.run(ask, capture_output=True, check=False).returncode != 0, "nothing listens yet"
    settings = {"SEALRING_SECRET": SECRET, "SEALRING_DATABASE_URL": database.replace("/data", str(tmp_path))}
    served = start(tmp_path, "--no-demo", "--host", "127.0.0.1", port=port, **settings)
    try:
        assert subprocess.run(ask, timeout=30, check=False).returncode == 0
    finally:
        served.stop()
    assert tmp_path.joinpath("sealring.db").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and storage of podman without root are another matter")
def test_podman_runs_the_image_an_application_and_the_compose_file() -> None:
    for name in ("podman", "buildah", "debootstrap"):
        required_program(name)
    done = subprocess.run([ROOT / "scripts" / "containers"], capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "deploy/Dockerfile: built",
        "image: healthy, as user 10001 without capabilities on a read-only root; an account was made",
        "application: built on the image, healthy; it knows its user",
        "compose: an account was made, and its session outlives a restart of auth and postgres",
    ):
        assert words in done.stdout
