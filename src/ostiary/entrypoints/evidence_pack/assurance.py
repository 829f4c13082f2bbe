"""How the product answers each chapter of OWASP ASVS 5.0 that concerns it, and which requirements of ours say so."""

from __future__ import annotations

from typing import Final

ASVS: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "V1, V5 Encoding, files",
        "Templates escape by default; JSON, XML and CSV are read strictly; cells that a spreadsheet would run are "
        "refused; bodies and files have limits.",
        "SR-70, SR-90 to SR-94",
    ),
    (
        "V3 Web front end",
        "A content security policy with no inline script or style and Trusted Types; own files only.",
        "SR-54 to SR-56",
    ),
    (
        "V7 Sessions",
        "Random, host-bound cookies; ends after idleness and absolutely; sensitive acts ask for a fresh sign-in.",
        "SR-52, SR-53, SR-57, SR-58",
    ),
    (
        "V4, V8 API and authorization",
        "Each route declares one permission or the process does not start; foreign objects answer like missing "
        "ones; row-level security behind it; rate limits.",
        "SR-30, SR-59, SR-60, SR-62 to SR-70",
    ),
    (
        "V9, V10 Tokens, OAuth and OpenID Connect",
        "Authorization code with PKCE, state and nonce; ID tokens verified in one place; an approval counts only "
        "when a signed token proves it.",
        "SR-1 to SR-29",
    ),
    (
        "V11, V13 Cryptography, secrets",
        "Envelope encryption bound to the row; keys outside the database; rotation and re-wrapping without a stop; "
        "every opening has a purpose and a record.",
        "SR-31 to SR-44",
    ),
    (
        "V14 Data protection",
        "Mail and calendars pass through; disconnecting destroys tokens; erase and export for a person, a mailbox "
        "and a customer; leftovers go by age.",
        "SR-49, SR-101 to SR-103",
    ),
    (
        "V15 Supply chain, concurrency",
        "Locked dependencies with hashes; one refresh at a time across processes; a sign-in code is used up once.",
        "SR-3, SR-46, SR-95 to SR-100",
    ),
    (
        "V16 Logging, errors",
        "An audit trail that is a hash chain with signed checkpoints; logs without secrets; error pages that show a "
        "reference and nothing else of ours.",
        "SR-39, SR-72 to SR-75, SR-104",
    ),
    (
        "Incidents",
        "A kill switch for one mailbox, one customer or everything, effective within a minute.",
        "SR-50, SR-112",
    ),
)
"""Chapter, answer, our requirements; ``docs/security.md`` of the source names the tests behind them."""
