"""Whose mailbox is it: does a sign-in belong to the member it was made for (SR-19 to SR-21). Pure, no I/O."""

from __future__ import annotations

from enum import StrEnum

from ostiary.core.connections.model import ConnectSession
from ostiary.core.organizations.model import Member
from ostiary.core.signin.model import SignedClaims


class Vouching(StrEnum):
    """What has to happen before a good sign-in counts."""

    DONE = "done"
    """It is surely this member: connected at once."""
    VENDOR_CONFIRMS = "vendor_confirms"
    """Kept unconfirmed and unusable until the vendor's server says that this is its own user (SR-20)."""
    PERSON_DECIDES = "person_decides"
    """Another address than the vendor knows: the person says whether they meant it, then the vendor confirms."""
    REFUSED = "refused"
    """Not this member, or nobody is there to vouch for it."""


def vouch(session: ConnectSession, member: Member, claims: SignedClaims, *, mailbox_address: str) -> Vouching:
    """Decide for a sign-in from a tenant that is bound to the member's organization.

    A session without a return address has no vendor waiting at its end. Such a sign-in counts only where a
    link passed on to somebody else could not bring that person's mailbox to the member: the Microsoft identity
    is the one on record, or the signed-in account is exactly the address that the organization has on file.
    """
    identity = claims.identity
    if member.object_id is not None:
        is_same = (member.tenant_id, member.object_id) == (identity.tenant_id, identity.object_id)
        if not is_same:
            return Vouching.REFUSED
        if session.return_url is None or session.vendor_verified_identity:
            return Vouching.DONE
        return Vouching.VENDOR_CONFIRMS
    known_as = member.email.strip().casefold()
    if session.return_url is None:
        return Vouching.DONE if claims.username.casefold() == known_as else Vouching.REFUSED
    if known_as in {claims.username.casefold(), mailbox_address.casefold()}:
        return Vouching.VENDOR_CONFIRMS
    return Vouching.PERSON_DECIDES
