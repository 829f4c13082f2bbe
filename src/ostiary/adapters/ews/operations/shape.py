"""Shapes and ids as several requests write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ostiary.adapters.ews.ids import ews_id
from ostiary.adapters.ews.soap import attribute


def item_shape(fields: Iterable[str], *, body_type: str | None = None, include_mime: bool = False) -> str:
    """Return an ``ItemShape`` of the id and the given FieldURIs."""
    mime = "<t:IncludeMimeContent>true</t:IncludeMimeContent>" if include_mime else ""
    body = f"<t:BodyType>{body_type}</t:BodyType>" if body_type else ""
    return f"<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>{mime}{body}{_additional(fields)}</m:ItemShape>"


def folder_shape(fields: Iterable[str], *, extended: str = "") -> str:
    """Return a ``FolderShape`` of the id and the given FieldURIs; ``extended`` is XML of further paths."""
    return f"<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape>{_additional(fields, extended)}</m:FolderShape>"


def folder_ids(tag: str, folders: Sequence[FolderId]) -> str:
    """Return ``folders`` inside ``m:{tag}``."""
    return f"<m:{tag}>{''.join(folder.xml for folder in folders)}</m:{tag}>"


def _additional(fields: Iterable[str], extended: str = "") -> str:
    paths = "".join(f'<t:FieldURI FieldURI="{field}"/>' for field in fields) + extended
    return f"<t:AdditionalProperties>{paths}</t:AdditionalProperties>" if paths else ""


class FolderId:
    """A folder as a request names it: by one of Exchange's own names, or by id."""

    def __init__(self, xml: str) -> None:
        self.xml = xml

    @classmethod
    def named(cls, name: str) -> FolderId:
        """A folder every mailbox has, of the signed-in person's own mailbox."""
        return cls(f"<t:DistinguishedFolderId Id={attribute(name)}/>")

    @classmethod
    def by_id(cls, folder_id: str) -> FolderId:
        """A folder by the id we gave out; raises NotFound for what cannot be one."""
        return cls(f"<t:FolderId Id={attribute(ews_id(folder_id))}/>")
