"""Microsoft's EWS schemas, if they are at hand: in $M365_CONFORMANCE, or in ``shared/conformance`` beside the repository."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

Check = Callable[[bytes], list[str]]
"""Takes one envelope, returns one line for each violation."""

WHY_NOT = "Microsoft's EWS schemas are not here (set M365_CONFORMANCE to the folder of ews_schema.py)"

# The published schemas hold no messages of automatic replies.
_UNPUBLISHED = (b"<m:GetUserOofSettingsResponse>", b"<m:SetUserOofSettingsResponse>")
# They put the notifications of a stream into the types namespace; the service, and every client, say messages.
_STREAMED = (
    (b"<m:Notification>", b"<t:Notification>"),
    (b"</m:Notification>", b"</t:Notification>"),
)


def find_check() -> Check | None:
    """Return the check, None when the schemas are not here."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "conformance"
    path = Path(os.environ.get("M365_CONFORMANCE", beside)) / "ews_schema.py"
    if not path.exists():
        return None
    spec = importlib.util.spec_from_file_location("ews_schema", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def check(envelope: bytes) -> list[str]:
        if any(name in envelope for name in _UNPUBLISHED):
            return []
        if b"<m:Notifications>" in envelope:
            for ours, theirs in _STREAMED:
                envelope = envelope.replace(ours, theirs)
        return module.violations(envelope)

    return check
