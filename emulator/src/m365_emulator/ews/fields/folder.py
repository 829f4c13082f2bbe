"""The ``folder:`` fields."""

from __future__ import annotations

from collections.abc import Mapping

from m365_emulator.ews import xml
from m365_emulator.ews.fields.item import OWNER_RIGHTS
from m365_emulator.ews.fields.registry import Field
from m365_emulator.ews.fields.values import bool_element, text_element
from m365_emulator.ews.view import View
from m365_emulator.world.mailbox import Folder

# The names the published schema (Exchange2016) knows; others exist in Exchange Online but have no place in it.
DISTINGUISHED_NAMES = frozenset(
    [
        "calendar",
        "contacts",
        "deleteditems",
        "drafts",
        "inbox",
        "journal",
        "notes",
        "outbox",
        "sentitems",
        "tasks",
        "msgfolderroot",
        "publicfoldersroot",
        "root",
        "junkemail",
        "searchfolders",
        "voicemail",
        "recoverableitemsroot",
        "recoverableitemsdeletions",
        "recoverableitemsversions",
        "recoverableitemspurges",
        "recoverableitemsdiscoveryholds",
        "archiveroot",
        "archivemsgfolderroot",
        "archivedeleteditems",
        "archiveinbox",
        "archiverecoverableitemsroot",
        "archiverecoverableitemsdeletions",
        "archiverecoverableitemsversions",
        "archiverecoverableitemspurges",
        "archiverecoverableitemsdiscoveryholds",
        "syncissues",
        "conflicts",
        "localfailures",
        "serverfailures",
        "recipientcache",
        "quickcontacts",
        "conversationhistory",
        "adminauditlogs",
        "todosearch",
        "mycontacts",
        "directory",
        "imcontactlist",
        "peopleconnect",
        "favorites",
        "mecontact",
        "personmetadata",
    ]
)


def element_of(folder: Folder) -> str:
    """Return the local name of the element a folder is written as."""
    if folder.is_search:
        return "SearchFolder"
    for prefix, name in _ELEMENTS:
        if folder.folder_class.startswith(prefix):
            return name
    return "Folder"


_ELEMENTS = (
    ("IPF.Appointment", "CalendarFolder"),
    ("IPF.Contact", "ContactsFolder"),
    ("IPF.Task", "TasksFolder"),
)

_BASE_ORDER = [
    "FolderId",
    "ParentFolderId",
    "FolderClass",
    "DisplayName",
    "TotalCount",
    "ChildFolderCount",
    "ExtendedProperty",
    "EffectiveRights",
    "DistinguishedFolderId",
]
_ORDERS = {
    "CalendarFolder": [*_BASE_ORDER, "SharingEffectiveRights", "PermissionSet"],
    "ContactsFolder": [*_BASE_ORDER, "SharingEffectiveRights", "PermissionSet"],
}
_FOLDER_ORDER = [*_BASE_ORDER, "PermissionSet", "UnreadCount"]
ORDER: Mapping[str, Mapping[str, int]] = {
    name: {field: position for position, field in enumerate(_ORDERS.get(name, _FOLDER_ORDER))}
    for name in ("Folder", "CalendarFolder", "ContactsFolder", "TasksFolder", "SearchFolder")
}

_OWNER = "".join(
    bool_element(name, True)
    for name in (
        "CanCreateItems",
        "CanCreateSubFolders",
        "IsFolderOwner",
        "IsFolderVisible",
        "IsFolderContact",
    )
)
_NOBODY = "".join(
    bool_element(name, False)
    for name in (
        "CanCreateItems",
        "CanCreateSubFolders",
        "IsFolderOwner",
        "IsFolderVisible",
        "IsFolderContact",
    )
)


def _permission_set(view: View, folder: Folder) -> str:
    kind = element_of(folder)
    calendar = kind == "CalendarFolder"
    one, level = (
        ("CalendarPermission", "CalendarPermissionLevel") if calendar else ("Permission", "PermissionLevel")
    )
    nothing = (
        "<t:EditItems>None</t:EditItems><t:DeleteItems>None</t:DeleteItems>"
        f"<t:ReadItems>{'TimeOnly' if calendar else 'None'}</t:ReadItems>"
        f"<t:{level}>{'FreeBusyTimeOnly' if calendar else 'None'}</t:{level}>"
    )
    default = f"<t:{one}><t:UserId><t:DistinguishedUser>Default</t:DistinguishedUser></t:UserId>{_NOBODY}{nothing}</t:{one}>"
    owner = (
        f"<t:{one}><t:UserId><t:PrimarySmtpAddress>{xml.text(view.mailbox.address)}</t:PrimarySmtpAddress>"
        f"{text_element('DisplayName', view.owner_name)}</t:UserId>{_OWNER}<t:EditItems>All</t:EditItems>"
        f"<t:DeleteItems>All</t:DeleteItems><t:ReadItems>FullDetails</t:ReadItems><t:{level}>Owner</t:{level}></t:{one}>"
    )
    return f"<t:PermissionSet><t:{one}s>{default}{owner}</t:{one}s></t:PermissionSet>"


def _distinguished(view: View, folder: Folder) -> str:
    if folder.well_known not in DISTINGUISHED_NAMES:
        return ""
    return f"<t:DistinguishedFolderId>{folder.well_known}</t:DistinguishedFolderId>"


def _parent(view: View, folder: Folder) -> str:
    # The root is its own parent, which is how clients notice that they are at the top.
    return view.folder_id(folder.parent or folder, "ParentFolderId")


def _unread(view: View, folder: Folder) -> str:
    if folder.folder_class and not folder.is_mail:
        return ""
    return f"<t:UnreadCount>{folder.unread_count}</t:UnreadCount>"


FIELDS: tuple[Field, ...] = (
    Field("folder:FolderId", "FolderId", lambda view, folder: view.folder_id(folder)),
    Field("folder:ParentFolderId", "ParentFolderId", _parent),
    Field(
        "folder:FolderClass",
        "FolderClass",
        lambda view, folder: text_element("FolderClass", folder.folder_class),
        lambda view, folder: folder.folder_class,
    ),
    Field(
        "folder:DisplayName",
        "DisplayName",
        lambda view, folder: f"<t:DisplayName>{xml.text(folder.display_name)}</t:DisplayName>",
        lambda view, folder: folder.display_name,
    ),
    Field(
        "folder:TotalCount",
        "TotalCount",
        lambda view, folder: f"<t:TotalCount>{folder.total_count}</t:TotalCount>",
        lambda view, folder: folder.total_count,
    ),
    Field(
        "folder:ChildFolderCount",
        "ChildFolderCount",
        lambda view, folder: f"<t:ChildFolderCount>{len(folder.children)}</t:ChildFolderCount>",
        lambda view, folder: len(folder.children),
    ),
    Field(
        "folder:EffectiveRights",
        "EffectiveRights",
        lambda view, folder: f"<t:EffectiveRights>{OWNER_RIGHTS}</t:EffectiveRights>",
    ),
    Field("folder:DistinguishedFolderId", "DistinguishedFolderId", _distinguished),
    Field("folder:PermissionSet", "PermissionSet", _permission_set, in_find=False),
    Field("folder:UnreadCount", "UnreadCount", _unread, lambda view, folder: folder.unread_count),
)

DEFAULT = (
    "folder:FolderId",
    "folder:DisplayName",
    "folder:TotalCount",
    "folder:ChildFolderCount",
    "folder:UnreadCount",
)
ALL = tuple(field.uri for field in FIELDS)
