"""What a migration may do to tables that older code works on at the same moment (SR-108).

Allowed is what only adds and holds no table for long. Whatever takes away, renames, narrows or reads a whole table is a
contract step, and belongs into a release after the one that stopped needing it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

_CREATES_TABLE: Final = re.compile(r"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\w+)", re.I)
_CREATES_INDEX: Final = re.compile(
    r"CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?(?:IF NOT EXISTS )?\S+ ON (?:ONLY )?(\w+)", re.I
)
_ALTERS: Final = re.compile(r"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(\w+) (.*)", re.I | re.S)
_CHANGES_ROWS: Final = re.compile(
    r"(?:UPDATE (?:ONLY )?|DELETE FROM (?:ONLY )?|TRUNCATE (?:TABLE )?)(\w+)", re.I
)
_DROPS: Final = re.compile(r"DROP (\w+)", re.I)

_HARMLESS: Final = re.compile(
    r"(SELECT|SET LOCAL|SHOW|COMMENT ON|GRANT|REVOKE|INSERT INTO|CREATE (OR REPLACE )?FUNCTION|CREATE SEQUENCE"
    r"|CREATE TYPE|SAVEPOINT|RELEASE)\b|UPDATE alembic_version\b|INSERT INTO alembic_version\b",
    re.I,
)
_POLICIES: Final = re.compile(
    r"(DROP POLICY IF EXISTS|CREATE POLICY|ALTER TABLE \w+ (ENABLE|FORCE|NO FORCE|DISABLE) ROW)", re.I
)


def faults(statements: Iterable[str]) -> list[str]:
    """Return what is wrong with the statements of one migration, in order; nothing when older code works on."""
    made: set[str] = set()
    found: list[str] = []
    for statement in statements:
        text = " ".join(statement.split())
        created = _CREATES_TABLE.match(text)
        if created:
            made.add(created[1])
            continue
        found += [f"{why}: {text[:140]}" for why in _faults(text, made)]
    return found


def _faults(text: str, made: set[str]) -> Iterator[str]:
    index, altered, changed = _CREATES_INDEX.match(text), _ALTERS.match(text), _CHANGES_ROWS.match(text)
    if _HARMLESS.match(text) or _POLICIES.match(text):
        return
    if index:
        if index[2] not in made and not index[1]:
            yield f"an index on {index[2]} stops its writers while it is built"
    elif altered:
        if altered[1] not in made:
            yield from _changes(altered[2])
    elif changed:
        if changed[1] not in made:
            yield f"rows of {changed[1]} are changed in one go; do it in a job that resumes"
    elif _DROPS.match(text):
        yield "something is taken away"
    elif not text.upper().startswith("CREATE TRIGGER"):
        yield "nothing is known about this kind of statement"


def _changes(what: str) -> Iterator[str]:
    upper = what.upper()
    if upper.startswith("ADD COLUMN"):
        if "NOT NULL" in upper and "DEFAULT" not in upper:
            yield "older code writes rows without this column"
        if re.search(r"\bDEFAULT\b.*\(\)", upper):
            yield "a default that is computed rewrites the table"
        if re.search(r"\b(UNIQUE|REFERENCES|CHECK|PRIMARY KEY)\b", upper):
            yield "every row is looked at while nobody may write"
    elif upper.startswith("ADD CONSTRAINT"):
        if "NOT VALID" not in upper:
            yield "every row is looked at while nobody may write"
    elif upper.startswith("ALTER COLUMN") and re.search(
        r"(DROP NOT NULL|SET DEFAULT|DROP DEFAULT)$|SET DEFAULT ", upper
    ):
        return
    else:
        yield "older code still uses what this changes"
