"""deploy/compose.yaml as arguments of podman: the part of Compose that the file uses.

A key that this does not know is an error, so that nothing in the file is left untried.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.release_files import ROOT

COMPOSE = ROOT / "deploy" / "compose.yaml"
NETWORK = "sealring"


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """Replace `${NAME:?message}` and `${NAME:-default}`.

    Raises:
        ValueError: a value is missing that has no default.
    """

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if not values.get(name) and kind == ":?":
            raise ValueError(f"{name}: {rest}")
        return values.get(name) or rest

    return re.sub(r"\$\{(\w+)(:[?-])([^}]*)\}", value, text)


def read_services(values: Mapping[str, str], path: Path = COMPOSE) -> dict[str, Any]:
    """The services, by name; `values` is what Compose reads from `.env`."""
    read: dict[str, Any] = yaml.safe_load(interpolate(path.read_text("utf-8"), values))
    return dict(read["services"])


def arguments(name: str, service: Mapping[str, Any]) -> list[str]:
    """The arguments of `podman run` for a service.

    Raises:
        ValueError: it has a key that is not carried out here.
    """
    options = [f"--name={name}", f"--network={NETWORK}", f"--network-alias={name}"]
    for key, value in service.items():
        match key:
            case "environment":
                options += [f"--env={variable}={text}" for variable, text in value.items()]
            case "read_only":
                options.append(f"--read-only={str(value).lower()}")
            case "tmpfs" | "cap_drop" | "security_opt":
                options += [f"--{key.replace('_', '-')}={one}" for one in value]
            case "volumes" | "ports":
                options += [f"--{'volume' if key == 'volumes' else 'publish'}={one}" for one in value]
            case "stop_grace_period":
                options.append(f"--stop-timeout={value.removesuffix('s')}")
            case "restart":
                options.append(f"--restart={value}")
            case "healthcheck":
                options.append(health(value))
            case "image" | "command" | "build" | "depends_on":
                pass
            case _:
                raise ValueError(f"{name}: {key} is not carried out")
    image = service["image"] if "/" in service["image"] else f"localhost/{service['image']}"
    return [*options, image, *map(str, service.get("command", ()))]


def health(value: Mapping[str, Any]) -> str:
    """The option of podman for a health check: it puts the word CMD before the command by itself."""
    if value.get("disable"):
        return "--no-healthcheck"
    kind, *command = value["test"]
    if kind != "CMD":
        raise ValueError(f"healthcheck: {kind} is not carried out")
    return f"--health-cmd={json.dumps(command)}"


def in_order(services: Mapping[str, Any]) -> Iterator[str]:
    """The names of the services, each after those that it depends on.

    Raises:
        ValueError: some wait for each other.
    """
    left = dict(services)
    while left:
        free = [name for name, service in left.items() if not service.get("depends_on", {}).keys() & left.keys()]
        if not free:
            raise ValueError(f"these wait for each other: {', '.join(left)}")
        for name in free:
            del left[name]
            yield name
