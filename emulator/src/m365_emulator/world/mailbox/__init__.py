"""The mailbox store behind both Graph and EWS.

One `Mailbox` holds folders, messages and calendar events; both services read and change it only through this package,
so what is done over one is seen over the other.

* **Keys.** Every item has an `identity` that stays for life within the mailbox and an `entry` that is replaced
  whenever the item moves to another folder. `ids.IdCodec` (`mailbox.ids`) writes every form of id from them and reads
  every form back; `mailbox.resolve(key)` returns the item. Folders have a `number` that never changes.
* **Change keys.** Each change of an item or folder takes the next number of the mailbox (`change_number`) and so a
  new change key: `mailbox.change_key_of(item)`, `mailbox.check_change_key(item, key)`.
* **Changes.** `mailbox.log` keeps every change: `log.net_since(folder.number, n)` says what a reader of one folder
  must do to catch up, `log.hierarchy_since(n)` the same for folders, `log.since(n)` gives the raw entries.
  `mailbox.subscribe(callback)` hands out each change as it happens.
* **Use cases.** `drafting` (drafts, replies, forwards), `delivery` (sending between mailboxes, non-delivery reports,
  rules), `meetings` (create, update, respond, cancel, occurrences), `schedule` (free/busy, meeting times), `search`
  (KQL words), `mime` (RFC 822 both ways), `generate` (mailboxes full of mail from a seed). They are functions whose
  first argument is the mailbox.
* **Times** are aware UTC datetimes in whole seconds; events also keep the Windows name of the zone they were given in.
* **Recurrence.** Only masters are stored. `recurrence.expand(master, start, end)` makes the occurrences of a window;
  changed ones are kept in `master.exceptions`, deleted ones in `master.cancelled`, both by original start.
"""

from __future__ import annotations

from .changes import Change, ChangeKind, ChangeLog, NetChange
from .event import Attendee, CalendarEvent, Location, OnlineMeeting, Recurrence
from .folder import Folder
from .ids import IdCodec, IdFormat, ItemKey, ObjectKey
from .item import Attachment, Body, Item, PropertyKey, PropertyType, Recipient
from .message import Flag, MeetingDetails, Message
from .store import Category, DeleteMode, Mailbox

__all__ = [
    "Attachment",
    "Attendee",
    "Body",
    "CalendarEvent",
    "Category",
    "Change",
    "ChangeKind",
    "ChangeLog",
    "DeleteMode",
    "Flag",
    "Folder",
    "IdCodec",
    "IdFormat",
    "Item",
    "ItemKey",
    "Location",
    "Mailbox",
    "MeetingDetails",
    "Message",
    "NetChange",
    "ObjectKey",
    "OnlineMeeting",
    "PropertyKey",
    "PropertyType",
    "Recipient",
    "Recurrence",
]
