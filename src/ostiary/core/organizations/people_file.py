"""A CSV file of people, read with suspicion. Pure: bytes in, rows and errors by line out."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Final

from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.organizations import rules
from ostiary.core.organizations.model import MemberRole

MOST_BYTES: Final = 512 * 1024
MOST_PEOPLE: Final = 5000
_MOST_ERRORS: Final = 100
_MOST_CELL: Final = 400

COLUMNS: Final = ("id", "email", "name", "role", "licence")
_REQUIRED: Final = ("email", "name")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run when somebody opens an export of ours (CSV injection)."""

_YES: Final = frozenset({"yes", "true", "1", "y"})
_NO: Final = frozenset({"no", "false", "0", "n"})


@dataclass(frozen=True, slots=True)
class LineError:
    """What is wrong with one line; line 1 is the header."""

    line: int
    column: str
    words: str


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person as the file says. None: the file does not say, so nothing changes."""

    line: int
    external_id: str
    email: str
    display_name: str
    role: MemberRole | None
    licensed: bool | None


@dataclass(frozen=True, slots=True)
class PeopleFile:
    """A file that was read."""

    rows: tuple[PersonRow, ...]
    errors: tuple[LineError, ...]


class _Refused(Exception):
    def __init__(self, column: str, words: str) -> None:
        super().__init__(words)
        self.column = column
        self.words = words


def parse_people(data: bytes) -> PeopleFile:
    """Read a CSV of people: a header line with ``email`` and ``name``, and maybe ``id``, ``role``, ``licence``.

    Raises:
        InvalidRequest: The file as a whole cannot be read: too large, not UTF-8, no such columns.
    """
    reader = csv.reader(io.StringIO(_text(data), newline=""), delimiter=_delimiter(data), strict=True)
    try:
        header = _header(next(reader, []))
        rows: list[PersonRow] = []
        errors: list[LineError] = []
        seen: dict[tuple[str, str], int] = {}
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            line = reader.line_num
            if len(rows) + len(errors) >= MOST_PEOPLE:
                raise InvalidRequest(f"At most {MOST_PEOPLE} people at once. Split the file.", field="file")
            try:
                row = _row(line, header, cells)
                _refuse_repeats(row, seen)
            except _Refused as refusal:
                errors.append(LineError(line, refusal.column, refusal.words))
                if len(errors) >= _MOST_ERRORS:
                    break
            else:
                rows.append(row)
    except csv.Error as error:
        raise InvalidRequest(f"Line {reader.line_num}: this is not CSV ({error}).", field="file") from error
    if not rows and not errors:
        raise InvalidRequest("The file has a header and no people.", field="file")
    return PeopleFile(tuple(rows), tuple(errors))


def _text(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise InvalidRequest(f"The file is larger than {MOST_BYTES // 1024} KB. Split it.", field="file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            "The file is not in UTF-8. In Excel, save it as “CSV UTF-8 (comma delimited)”.", field="file"
        ) from error
    if "\0" in text:
        raise InvalidRequest("The file is not text. Save it as CSV UTF-8.", field="file")
    return text


def _delimiter(data: bytes) -> str:
    """Excel writes semicolons where a comma is the decimal sign; the header tells."""
    first = data.split(b"\n", 1)[0]
    return ";" if first.count(b";") > first.count(b",") else ","


def _header(cells: list[str]) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    missing = [name for name in _REQUIRED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if missing or unknown or len(set(header)) != len(header):
        raise InvalidRequest(
            f"The first line names the columns: {', '.join(COLUMNS)}; email and name are needed, each once.",
            field="file",
        )
    return header


def _row(line: int, header: list[str], cells: list[str]) -> PersonRow:
    if len(cells) != len(header):
        raise _Refused("", f"This line has {len(cells)} columns, the header {len(header)}.")
    values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    for name, value in values.items():
        if len(value) > _MOST_CELL:
            raise _Refused(name, f"This is longer than {_MOST_CELL} characters.")
        if value.startswith(_FORMULA):
            raise _Refused(name, "This begins like a spreadsheet formula.")
    try:
        email = rules.email(values["email"])
        external_id = rules.external_id(values.get("id") or email.lower())
        display_name = rules.text(values["name"], field="name")
    except InvalidRequest as error:
        column = {"external_id": "id"}.get(error.field or "", error.field or "")
        raise _Refused(column, error.message) from error
    return PersonRow(line, external_id, email, display_name, _role(values), _licence(values))


def _role(values: dict[str, str]) -> MemberRole | None:
    given = values.get("role", "").lower().replace(" ", "_")
    if not given:
        return None
    try:
        return MemberRole(given)
    except ValueError as error:
        raise _Refused("role", f"A role is {' or '.join(MemberRole)}.") from error


def _licence(values: dict[str, str]) -> bool | None:
    given = values.get("licence", "").lower()
    if not given:
        return None
    if given not in _YES | _NO:
        raise _Refused("licence", "A licence is yes or no.")
    return given in _YES


def _refuse_repeats(row: PersonRow, seen: dict[tuple[str, str], int]) -> None:
    for column, value in (("id", row.external_id), ("email", row.email.lower())):
        first = seen.setdefault((column, value), row.line)
        if first != row.line:
            raise _Refused(column, f"Line {first} has the same one.")
