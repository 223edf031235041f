"""Writes the pages of the Python API: every public name with its signature and docstring, read from the source.

A new public name of a module comes by itself; a new public module is a row of `PAGES` in `scripts/api_source.py`.
`tests/docs/test_api_pages.py` fails when a page is out of date, and when a page imports a name that is on none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from textwrap import indent

import griffe

from scripts.api_source import (
    PAGES,
    STARTS,
    Module,
    Page,
    find,
    is_made_by_methods,
    is_row,
    module_of,
    named_in,
    names_of,
    public_members,
    starts_of,
)
from scripts.pages import DOCS, ROOT, anchors

INDEX = DOCS / "reference" / "python-api.md"
FOLDER = DOCS / "reference" / "api"
WIDTH = 100
LONGEST_DEFAULT = 40


def written_page(page: Page) -> str:
    """A page's text."""
    parts = [f"# {page.title}", page.lead, "<!-- written by scripts/docs from the docstrings -->", _start(page)]
    several = len(page.modules) > 1
    for module in page.modules:
        names = names_of(module)
        if several:
            parts += [f"## `{module.path}`", _about(module, page)]
        for name in names:
            parts += entry(module, name, level=3 if several else 2, page=page)
    used = _types(page)
    if used:
        parts += ["## Types in these signatures", used]
    return "\n\n".join(part for part in parts if part) + "\n"


def _start(page: Page) -> str:
    """What the examples of a page go on from, where they do."""
    shown = [found for module in page.modules for name in names_of(module) for found in with_members(module, name)]
    needed = {name for found in shown if found.docstring for name in starts_of(found.docstring.value)}
    return "\n\n".join(
        f"Examples that use `{name}` go on from these lines. A line with `await` runs in `python -m asyncio`, and"
        f" inside of every `async def`.\n\n{markdown(start, page)}"
        for name, start in STARTS.items()
        if name in needed
    )


def with_members(module: Module, name: str) -> list[griffe.Object]:
    """A name, and those of its members that stand on the page too."""
    found = find(module, name)
    return [found, *public_members(found)] if isinstance(found, griffe.Class) and module.members else [found]


def _about(module: Module, page: Page) -> str:
    """The first paragraph of a module's docstring, and its examples; the rest is for those who change it."""
    found = module_of(module.path)
    first, *others = re.split(r"\n\s*\n(?! )", found.docstring.value if found.docstring else "")
    return markdown("\n\n".join([first, *(one for one in others if one.startswith(("    ", ">>>")))]), page)


def entry(module: Module, name: str, *, level: int, page: Page) -> Iterator[str]:
    """A name: its signature, its docstring, and its members."""
    found = find(module, name)
    called = f"{module.path.rpartition('.')[2]}.{name}" if module.path.startswith("sealring.frameworks.") else name
    yield f"{'#' * level} `{called}`"
    yield _fenced(signature(found, name))
    yield from described(found, page)
    if isinstance(found, griffe.Class) and module.members:
        fields = [_field(one, page) for one in public_members(found) if one.is_attribute and not is_row(one)]
        if fields:
            yield "Fields:\n\n" + "\n".join(fields)
        yield _rows(found)
        for member in public_members(found):
            if isinstance(member, griffe.Function):
                yield f"{'#' * (level + 1)} `{name}.{member.name}`"
                yield _fenced(signature(member, member.name))
                yield from described(member, page)


def _rows(found: griffe.Class) -> str:
    rows = [f"`{one.name}`" for one in public_members(found) if is_row(one)]
    return f"As the methods of these names on `Sealring`, without `await`: {', '.join(rows)}." if rows else ""


def _field(found: griffe.Object, page: Page) -> str:
    annotation = getattr(found, "annotation", None)
    kind = f": `{annotation}`" if annotation else ""
    text = markdown(found.docstring.value, page) if found.docstring else ""
    said, fence, code = text.partition("\n\n```")
    line = f"- `{found.name}`{kind}" + (f" · {' '.join(said.split())}" if said else "")
    return line + indent(f"\n\n{fence.strip()}{code}", "  ") if code else line


def described(found: griffe.Object, page: Page) -> Iterator[str]:
    """A docstring, section by section."""
    for section in found.docstring.parse("google") if found.docstring else ():
        match section:
            case griffe.DocstringSectionText():
                yield markdown(section.value, page)
            case griffe.DocstringSectionParameters() | griffe.DocstringSectionAttributes():
                yield _listed("Arguments" if "param" in section.kind.value else "Attributes", section.value, page)
            case griffe.DocstringSectionRaises():
                yield _listed("Raises", section.value, page)
            case griffe.DocstringSectionReturns() | griffe.DocstringSectionYields():
                said = " ".join(one.description for one in section.value)
                yield f"{section.kind.value.capitalize()}: {markdown(said, page)}"
            case griffe.DocstringSectionExamples():
                yield from (markdown(text, page) for _, text in section.value)
            case griffe.DocstringSectionAdmonition():
                yield f"{section.title}:"
                yield markdown(section.value.contents, page)
            case _:
                raise ValueError(f"{found.path}: a section {section.kind.value} in the docstring, which no page shows")


def _listed(head: str, rows: Iterable[griffe.DocstringElement], page: Page) -> str:
    lines = []
    for row in rows:
        name = getattr(row, "name", "") or str(row.annotation).strip("()")
        lines.append(f"- `{name}`: {' '.join(markdown(row.description, page).split())}")
    return f"{head}:\n\n" + "\n".join(lines)


def signature(found: griffe.Object, name: str) -> str:
    """What one writes to call it, a parameter a line where one line is too long."""
    match found:
        case griffe.Function():
            marks = [str(one.value) for one in found.decorators]
            above = "".join(f"@{mark}\n" for mark in marks if mark in {"asynccontextmanager", "classmethod"})
            kind = "async def" if "async" in found.labels else "def"
            return above + _wrapped(f"{kind} {name}", found.parameters, found.returns)
        case griffe.Class():
            if any(str(base).startswith(("TypedDict", "Protocol", "Exception")) for base in found.bases):
                return f"class {name}({', '.join(str(base) for base in found.bases)})"
            return f"class {name}" if is_made_by_methods(found) else _wrapped(f"class {name}", found.parameters, None)
        case griffe.Attribute():
            return f"{name}: {found.annotation}" if found.annotation else f"{name} = {found.value}"
        case _:
            raise TypeError(f"{found.path} is neither a class, a function nor a value")


def _wrapped(head: str, parameters: griffe.Parameters, returns: object) -> str:
    words: list[str] = []
    starred = False
    for one in parameters:
        if one.name in {"self", "cls"}:
            continue
        kind = one.kind
        if kind is griffe.ParameterKind.keyword_only and not starred:
            words.append("*")
            starred = True
        starred = starred or kind is griffe.ParameterKind.var_positional
        mark = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(kind, "")
        annotated = f": {one.annotation}" if one.annotation is not None else ""
        value = str(one.default) if len(str(one.default)) <= LONGEST_DEFAULT else "..."
        default = "" if mark or one.default is None else f"{' = ' if annotated else '='}{value}"
        words.append(f"{mark}{one.name}{annotated}{default}")
    tail = f" -> {returns}" if returns is not None else ""
    line = f"{head}({', '.join(words)}){tail}"
    return line if len(line) <= WIDTH else f"{head}(\n" + "".join(f"    {word},\n" for word in words) + f"){tail}"


def _fenced(code: str) -> str:
    return f"```python no-run\n{code}\n```"


def markdown(text: str, page: Page) -> str:
    """A docstring's text as Markdown: examples and drawings fenced, pages of ours linked."""
    parts: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if block.lstrip().startswith(">>>"):
            kind, code = "pycon", block
        elif all(line.startswith("    ") for line in block.splitlines()):
            kind = "text" if "─" in block else "python no-run"
            code = "\n".join(line[4:] for line in block.splitlines())
        else:
            parts.append(_LINKED.sub(lambda found: _link(found, page), block))
            continue
        opened = f"```{kind}\n"
        if parts and parts[-1].startswith(opened):
            parts[-1] = f"{parts[-1].removesuffix('```')}\n{code}\n```"
        else:
            parts.append(f"{opened}{code}\n```")
    return "\n\n".join(parts)


_LINKED = re.compile(r"\bdocs/[\w/-]+\.md\b|\bdesign (D\d+)\b")
_DECISIONS = DOCS / "explanation" / "decisions.md"


def _link(found: re.Match[str], page: Page) -> str:
    path, anchor = ROOT / found[0], ""
    if found[1]:
        path, start = _DECISIONS, f"{found[1].lower()}-"
        anchor = next(f"#{one}" for one in anchors(path.read_text(encoding="utf-8")) if one.startswith(start))
    return f"[{found[0]}]({os.path.relpath(path, (FOLDER / page.file).parent)}{anchor})"


def _types(page: Page) -> str:
    """What the names in signatures stand for that are not public by themselves."""
    found: dict[str, griffe.Object] = {}
    for module in page.modules:
        for name in names_of(module):
            for each in with_members(module, name):
                found |= {part.path: part for part in named_in(each)}
    known = {find(module, name).path for each in PAGES for module in each.modules for name in names_of(module)}
    return "\n".join(
        _type_line(one, page) for path, one in sorted(found.items(), key=lambda item: item[1].name) if path not in known
    )


def _type_line(found: griffe.Object, page: Page) -> str:
    said = markdown(found.docstring.value.partition("\n\n")[0], page) if found.docstring else ""
    value = f" = `{found.value}`" if isinstance(found, griffe.Attribute) and found.value is not None else ""
    words = " ".join(said.split())
    return f"- `{found.name}`{value}" + (f" · {words}" if words else "")


def written_index() -> str:
    """The page that lists every public name."""
    parts = [
        "# Python API",
        "Every public name, with what it is for; each links to its signature and docstring.",
        "<!-- written by scripts/docs from the docstrings -->",
    ]
    for page, module in [(one, module) for one in PAGES for module in one.modules]:
        rows = ["| name | is |", "|---|---|"]
        for name in names_of(module):
            found = find(module, name)
            shown = f"{module.path.rpartition('.')[2]}.{name}" if ".frameworks." in module.path else name
            anchor = re.sub(r"[^\w-]", "", shown.lower())
            first = found.docstring.value.partition("\n\n")[0] if found.docstring else ""
            said = " ".join(first.split()).replace("|", "\\|")
            rows.append(f"| [`{name}`](api/{page.file}.md#{anchor}) | {said} |")
        parts += [f"## `{module.path}`", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


WRITTEN: dict[Path, Callable[[], str]] = {INDEX: written_index} | {
    FOLDER / f"{page.file}.md": (lambda page=page: written_page(page)) for page in PAGES
}
"""Each page that is written here, and its text as it should be."""


if __name__ == "__main__":
    for path, text in WRITTEN.items():
        new = text()
        if not path.exists() or path.read_text(encoding="utf-8") != new:
            path.parent.mkdir(exist_ok=True)
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
