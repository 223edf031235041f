"""For Alembic's `env.py`: autogenerate leaves Sealring's tables alone.

Alembic compares the whole database with the application's models, and proposes to drop what no model names: our tables
too, where both share a schema. `include_name` leaves them out before they are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

from sealring.store.schema import names_made

TABLES = names_made("postgresql", "sqlite", kinds="TABLE") | {"schema_version"}
"""Every table of ours.

>>> "sessions" in TABLES, "orders" in TABLES
(True, False)
"""


def include_name(
    name: str | None, type_: str, parent_names: Mapping[str, str | None], *, schema: str | None = None
) -> bool:
    """Whether Alembic should look at this: at everything but our tables.

    Args:
        name: of what Alembic has found in the database.
        type_: what it is: `table`, `schema`, `column` and so on.
        parent_names: where it is.
        schema: SEALRING_DATABASE_SCHEMA, where that is set; give it with `functools.partial`.

    Example:
        >>> [name for name in ("orders", "sessions") if include_name(name, "table", {"schema_name": None})]
        ['orders']
    """
    return type_ != "table" or name not in TABLES or parent_names.get("schema_name") != schema
