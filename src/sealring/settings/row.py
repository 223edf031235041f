"""A row of the table of settings, as the metadata of a dataclass field."""

from __future__ import annotations

from dataclasses import Field, dataclass, field
from typing import Any, TypeVar

from sealring.settings.readers import Reader

T = TypeVar("T")

PREFIX = "SEALRING_"
_KEY = "setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Everything there is to know of one setting; its type is the field's."""

    name: str
    """As an argument; in the environment in capital letters after `SEALRING_`."""
    reader: Reader[Any]
    default: str
    """As text, read by the same reader as every other value."""
    default_words: str
    """The default for readers of the pages, where an empty text would say nothing."""
    example: str
    """A good value, for hints; empty where every text is good."""
    group: str
    meaning: str
    """Markdown, for `docs/reference/settings.md`."""

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.upper()

    @property
    def hint(self) -> str | None:
        """A line that would be right."""
        return f"as in {self.variable}={self.example}" if self.example else None


def setting(
    reader: Reader[T],
    default: str,
    meaning: str,
    *,
    group: str,
    example: str | None = None,
    default_words: str = "",
    secret: bool = False,
) -> T:
    """One row: declares a field of `Settings` together with all that is known of it.

    Args:
        reader: how text or an argument becomes the value; its type is the field's.
        default: as text.
        meaning: Markdown.
        group: heading that it stands under.
        example: a good value; the default when left out.
        default_words: the default in words.
        secret: whether its value stays out of the repr.
    """
    row = {
        "reader": reader,
        "default": default,
        "default_words": default_words,
        "example": default if example is None else example,
        "group": group,
        "meaning": meaning,
    }
    # typed as the value, as `dataclasses.field` is: a type checker compares the reader with the annotation
    return field(default=reader.read(default), repr=not secret, metadata={_KEY: row})


def row_of(one: Field[Any]) -> Setting | None:
    """The row that a field was declared with."""
    return Setting(name=one.name, **one.metadata[_KEY]) if _KEY in one.metadata else None
