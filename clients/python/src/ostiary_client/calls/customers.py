"""Customers, their people, approval links, and connect sessions."""

from __future__ import annotations

from collections.abc import Sequence

from ostiary_client.call import Call, Listing, body_of, create, items_of, listing, nothing, one, path_of
from ostiary_client.call import get as read
from ostiary_client.models.connections import Connection
from ostiary_client.models.customers import (
    ApprovalLink,
    ConnectSession,
    Member,
    Method,
    NewApprovalLink,
    NewConnectSession,
    Organization,
    Role,
)
from ostiary_client.operations import D, Noun, listed, operation


class Organizations(Noun[D]):
    """Your customers."""

    @operation
    def create(
        self,
        external_id: str,
        name: str,
        *,
        seat_count: int = 0,
        allowed_domains: Sequence[str] = (),
        expected_tenant_id: str | None = None,
        pinned_method: Method | None = None,
        it_contact_name: str | None = None,
        it_contact_email: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Organization]:
        """Add a customer. One with the same ``external_id`` and name is returned as it is.

        Raises:
            Conflict: ``external_id`` is another customer's.
        """
        body = {
            "external_id": external_id,
            "name": name,
            "seat_count": seat_count,
            "allowed_domains": list(allowed_domains),
            "expected_tenant_id": expected_tenant_id,
            "pinned_method": pinned_method,
            "it_contact_name": it_contact_name,
            "it_contact_email": it_contact_email,
        }
        return create("POST", path_of("organizations"), one(Organization), body_of(body), idempotency_key)

    @operation
    def get(self, organization_id: str) -> Call[Organization]:
        """Return one customer."""
        return read(path_of("organizations", organization_id), one(Organization))

    @listed
    def list(
        self, *, search: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Listing[Organization]:
        """List customers by name. ``search`` is a part of the name or of your id."""
        return listing(path_of("organizations"), Organization, search=search, limit=limit, cursor=cursor)

    @operation
    def create_approval_link(
        self,
        organization_id: str,
        asked_by_name: str,
        *,
        expected_tenant_id: str | None = None,
        sent_to: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[NewApprovalLink]:
        """Make a link for the customer's IT administrator: it lasts three days and works for one approval."""
        body = {"asked_by_name": asked_by_name, "expected_tenant_id": expected_tenant_id, "sent_to": sent_to}
        path = path_of("organizations", organization_id, "admin-consent-links")
        return create("POST", path, one(NewApprovalLink), body_of(body), idempotency_key)

    @operation
    def approval_links(self, organization_id: str) -> Call[tuple[ApprovalLink, ...]]:
        """Return the links that still work."""
        return read(path_of("organizations", organization_id, "admin-consent-links"), items_of(ApprovalLink))

    @operation
    def withdraw_approval_link(self, organization_id: str, link_id: str) -> Call[None]:
        """End a link before its time."""
        return Call(
            "DELETE", path_of("organizations", organization_id, "admin-consent-links", link_id), nothing
        )


class Members(Noun[D]):
    """People of a customer."""

    @operation
    def create(
        self,
        organization_id: str,
        external_id: str,
        email: str,
        display_name: str,
        *,
        role: Role = "member",
        licensed: bool = False,
        idempotency_key: str | None = None,
    ) -> Call[Member]:
        """Add a person. One with the same ``external_id`` and address is returned as they are.

        Raises:
            Conflict: ``external_id`` is another person's, or every licence is taken.
        """
        body = {
            "external_id": external_id,
            "email": email,
            "display_name": display_name,
            "role": role,
            "licensed": licensed,
        }
        path = path_of("organizations", organization_id, "members")
        return create("POST", path, one(Member), body, idempotency_key)

    @operation
    def put(
        self,
        organization_id: str,
        external_id: str,
        email: str,
        display_name: str,
        *,
        role: Role | None = None,
        licensed: bool | None = None,
    ) -> Call[Member]:
        """Make the person with this ``external_id`` be like this, new or not. Role and licence stay when left out."""
        body = {
            "external_id": external_id,
            "email": email,
            "display_name": display_name,
            "role": role,
            "licensed": licensed,
        }
        return Call(
            "PUT", path_of("organizations", organization_id, "members"), one(Member), body=body_of(body)
        )

    @operation
    def get(self, organization_id: str, member_id: str) -> Call[Member]:
        """Return one person."""
        return read(path_of("organizations", organization_id, "members", member_id), one(Member))

    @listed
    def list(
        self,
        organization_id: str,
        *,
        search: str | None = None,
        licensed: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Listing[Member]:
        """List people by name. ``search`` is a part of name or address."""
        path = path_of("organizations", organization_id, "members")
        return listing(path, Member, search=search, licensed=licensed, limit=limit, cursor=cursor)

    @operation
    def change(
        self,
        organization_id: str,
        member_id: str,
        *,
        email: str | None = None,
        display_name: str | None = None,
        role: Role | None = None,
        licensed: bool | None = None,
    ) -> Call[Member]:
        """Change what is given: all of it, or nothing."""
        body = {"email": email, "display_name": display_name, "role": role, "licensed": licensed}
        path = path_of("organizations", organization_id, "members", member_id)
        return Call("PATCH", path, one(Member), body=body_of(body))

    @operation
    def set_licence(self, organization_id: str, member_id: str, licensed: bool) -> Call[Member]:
        """Give or take a licence. Without one a person cannot connect, and a connected mailbox is paused."""
        path = path_of("organizations", organization_id, "members", member_id, "licence")
        return Call("PUT", path, one(Member), body={"licensed": licensed})


class ConnectSessions(Noun[D]):
    """Sessions in which your signed-in users connect."""

    @operation
    def create(
        self,
        organization_id: str,
        member_id: str,
        *,
        return_url: str | None = None,
        vendor_verified_identity: bool = False,
        mail: bool = True,
        calendar: bool = True,
        idempotency_key: str | None = None,
    ) -> Call[NewConnectSession]:
        """Let one of your signed-in users connect; send their browser to ``url`` within 15 minutes.

        Args:
            return_url: One of the service's ``OSTIARY_RETURN_URLS``; the browser comes back there with
                ``connect_session`` and ``completion_code``, which :meth:`confirm` takes.
            vendor_verified_identity: You state that your own user is signed in with the Microsoft identity on record.
        """
        body = {
            "organization_id": organization_id,
            "member_id": member_id,
            "return_url": return_url,
            "vendor_verified_identity": vendor_verified_identity,
            "mail": mail,
            "calendar": calendar,
        }
        return create(
            "POST", path_of("connect-sessions"), one(NewConnectSession), body_of(body), idempotency_key
        )

    @operation
    def get(self, session_id: str) -> Call[ConnectSession]:
        """Return how far a session has come."""
        return read(path_of("connect-sessions", session_id), one(ConnectSession))

    @operation
    def confirm(self, session_id: str, completion_code: str) -> Call[Connection]:
        """Say that it was your own user, within five minutes of the sign-in; the connection is usable from then on.

        Call it only if the user who is signed in to your app in that browser is the member the session was made for:
        this is what keeps a link passed on to somebody else from connecting their mailbox.
        """
        path = path_of("connect-sessions", session_id, "confirm")
        return Call("POST", path, one(Connection), body={"completion_code": completion_code})
