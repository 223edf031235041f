"""Writes what of the browser client follows from other files: the types of its bodies, and the script that is served.

`clients/js/src` is the source. `types/bodies.d.ts` is made from the table of endpoints. `/auth/client.js` is the
modules in one file, so that a page without a bundler asks for one script and a server needs no Node: imports between
modules go, and what is exported is what the package exports, and the functions of `served.js`. A test says when either
is out of date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sealring.http.endpoint import Form
from sealring.http.openapi import REF, components
from sealring.http.routes import ENDPOINTS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "clients" / "js" / "src"
BODIES = ROOT / "clients" / "js" / "types" / "bodies.d.ts"
SERVED = ROOT / "src" / "sealring" / "http" / "static" / "client.js"
MODULES = ("errors", "credentials", "page", "client", "passkey", "served")
"""Each after those that it imports."""

BODIES_HEAD = """\
/**
 * The JSON bodies of the auth routes. Written by scripts/docs from the table of endpoints: change it there.
 */

"""
SERVED_HEAD = "// Written by scripts/docs from the modules in clients/js/src: change it there.\n"

_TYPES = {
    "string": "string",
    "boolean": "boolean",
    "null": "null",
    "integer": "number",
    "number": "number",
    "object": "Record<string, any>",
}

_IMPORT = re.compile(r"^import \{[^}]*\} from \"\./[a-z]+\.js\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=\w)", re.MULTILINE)
_REEXPORT = re.compile(r"^export \{([^}]*)\} from ", re.MULTILINE)
_TYPE_IMPORT = re.compile(r"^/\*\* @typedef \{import\(\"[./a-z]+\.js\"\)\.(\w+)\} \1 \*/\n", re.MULTILINE)


def read_bodies() -> Mapping[str, Any]:
    """The schema of each body that a route of ours reads as JSON."""
    read = [row.reads for row in ENDPOINTS if row.reads is not None and not isinstance(row.reads, Form)]
    _, described = msgspec.json.schema_components(list(dict.fromkeys(read)), ref_template=REF)
    return described


def type_of(schema: Mapping[str, Any]) -> str:
    """The type, as TypeScript writes it.

    >>> type_of({"anyOf": [{"type": "string"}, {"type": "null"}]})
    'string | null'
    """
    match schema:
        case {"$ref": ref}:
            found = str(ref).rpartition("/")[2]
        case {"anyOf": several}:
            found = " | ".join(type_of(one) for one in several)
        case {"enum": values}:
            found = " | ".join("null" if value is None else f'"{value}"' for value in values)
        case {"type": "array", "items": items}:
            found = f"Array<{type_of(items)}>"
        case {"type": name} if name in _TYPES:
            found = _TYPES[name]
        case _:
            raise ValueError(f"no type for the schema {schema}")
    return found


def declaration(name: str, schema: Mapping[str, Any], *, is_read: bool) -> str:
    """The type of one body. A client may leave out what has a default; the server never writes it as null."""
    description = str(schema.get("description", name)).partition("\n\n")[0]
    lines = [f"/** {description} */", f"export type {name} = {{"]
    for field, of in schema["properties"].items():
        kind = type_of(of)
        if field in schema.get("required", ()):
            lines.append(f"  {field}: {kind};")
        else:
            lines.append(f"  {field}?: {kind if is_read else kind.removesuffix(' | null')};")
    return "\n".join([*lines, "};", ""])


def bodies() -> str:
    """`bodies.d.ts`, as the table is now."""
    read = read_bodies()
    several = sorted({**components(ENDPOINTS), **read}.items())
    types = [declaration(name, schema, is_read=name in read) for name, schema in several]
    return BODIES_HEAD + "\n".join(types)


def served(modules: Iterable[str] = MODULES) -> str:
    """`/auth/client.js`, as its modules are now."""
    parts = []
    for name in modules:
        text = _IMPORT.sub("", SOURCE.joinpath(f"{name}.js").read_text(encoding="utf-8"))
        text = _TYPE_IMPORT.sub("", text.removeprefix("// @ts-check\n"))
        parts.append(text if name == "served" else _EXPORT.sub("", text))
    exported = _REEXPORT.findall(SOURCE.joinpath("index.js").read_text(encoding="utf-8"))
    names = ", ".join(name.strip() for several in exported for name in several.split(",") if name.strip())
    text = SERVED_HEAD + "\n".join([*parts, f"export {{ {names} }};\n"])
    return re.sub(r"\n{3,}", "\n\n", text)


WRITTEN = {BODIES: bodies, SERVED: served}

if __name__ == "__main__":
    for path, write in WRITTEN.items():
        text = write()
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
