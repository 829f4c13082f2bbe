"""What can go wrong with connections beyond the kernel's errors."""

from __future__ import annotations

from ostiary.core.kernel.errors import Conflict


class IllegalTransition(Conflict):
    """The connection's state does not allow this. Read it again; a person may have changed it meanwhile."""

    code = "illegal_transition"


class ConnectionNotUsable(Conflict):
    """The connection is paused, disconnected or not confirmed: nobody may use it now."""

    code = "connection_not_usable"


class Frozen(ConnectionNotUsable):
    """The operator stopped the use of its tokens (SR-50). Nothing is wrong with the connection itself."""

    code = "frozen"


class SessionUsed(Conflict):
    """The connect session has done its work already; the vendor makes a new one."""

    code = "session_used"
