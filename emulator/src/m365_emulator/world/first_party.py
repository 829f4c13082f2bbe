"""Microsoft's own APIs that the emulator serves, with the permissions they publish.

Titles and details are the emulator's words; names and ids are Microsoft's, as far as they are known: no id was
checked against a tenant.
Source: Microsoft Graph permissions reference; EWS OAuth documentation.
"""

from __future__ import annotations

from m365_emulator.world.resources import EXCHANGE, GRAPH, Permission, Resource


def _table(*rows: tuple[str, str, str, str] | tuple[str, str, str, str, bool]) -> dict[str, Permission]:
    return {row[0]: Permission(row[0], row[1], row[2], row[3], admin_only=len(row) == 5) for row in rows}


def _graph() -> Resource:
    delegated = _table(
        (
            "openid",
            "37f7f235-527c-4136-accd-4a02d197296e",
            "Sign the person in",
            "Lets people sign in to the app with their work account.",
        ),
        (
            "profile",
            "14dad69e-099b-42c9-810b-d002981feec1",
            "See the person’s basic profile",
            "Name, address and object id of the person who has signed in.",
        ),
        (
            "email",
            "64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0",
            "See the person’s email address",
            "The primary email address of the person who has signed in.",
        ),
        (
            "offline_access",
            "7427e0e9-2fba-42fe-b0c0-848c9e6a8182",
            "Keep access to data it was given",
            "Works while the person is away, until access is withdrawn.",
        ),
        (
            "User.Read",
            "e1fe6dd8-ba31-4d61-89e7-88639da4683d",
            "Sign in and read the person’s profile",
            "Read the profile of the person who has signed in.",
        ),
        (
            "User.ReadBasic.All",
            "b340eb25-3456-403f-be2f-af7a0d370277",
            "Read everyone’s basic profile",
            "Names and addresses of the people in the organization.",
        ),
        (
            "User.Read.All",
            "a154be20-db9c-4678-8ab7-66f6cc099a59",
            "Read everyone’s full profile",
            "Full profiles of the people in the organization.",
            True,
        ),
        (
            "Directory.Read.All",
            "06da0dbc-49e2-44d2-8312-53f166ab848a",
            "Read directory data",
            "People, groups, apps and domains of the organization.",
            True,
        ),
        (
            "Application.Read.All",
            "c79f8feb-a9db-4090-85f9-90d820caa0eb",
            "Read applications",
            "App registrations and service principals of the organization.",
            True,
        ),
        (
            "DelegatedPermissionGrant.Read.All",
            "a197cdc4-a8e7-4d49-9d35-4ca7c83887b4",
            "Read delegated permission grants",
            "Which delegated permissions were granted to which app.",
            True,
        ),
        (
            "DelegatedPermissionGrant.ReadWrite.All",
            "41ce6ca6-6826-4807-84f1-1c82854f7ee5",
            "Manage delegated permission grants",
            "Grant and withdraw delegated permissions of any app.",
            True,
        ),
        (
            "AppRoleAssignment.ReadWrite.All",
            "84bccea3-f856-4a8a-967b-dbe0a3d53a64",
            "Manage application permission grants",
            "Grant and withdraw application permissions of any app.",
            True,
        ),
        (
            "Application.ReadWrite.All",
            "bdfbf15f-ee85-4955-8675-146e8e5296b5",
            "Read and write applications",
            "Create, change and delete app registrations and service principals.",
            True,
        ),
        (
            "Mail.Read",
            "570282fd-fa5c-430d-a7fd-fc8dc98a9dca",
            "Read mail",
            "Read email in the mailbox of a person who has signed in.",
        ),
        (
            "Mail.ReadBasic",
            "a4b8392a-d8d1-4954-a029-8e668a39a170",
            "Read basic mail",
            "Read email without bodies, previews and attachments.",
        ),
        (
            "Mail.ReadWrite",
            "024d486e-b451-40bb-833d-3e66d98c5c73",
            "Read and write mail",
            "Create, read, update and delete email in the mailbox of a person who has signed in.",
        ),
        (
            "Mail.Send",
            "e383f46e-2787-4529-855e-0e479a3ffac0",
            "Send mail as the signed-in person",
            "Send email in the name of a person who has signed in.",
        ),
        (
            "Mail.Read.Shared",
            "7b9103a5-4610-446b-9670-80643382c1fa",
            "Read shared mail",
            "Read email that the person may read, their own and shared.",
        ),
        (
            "Mail.ReadBasic.Shared",
            "b11fa0e7-fdb7-4dc9-b1f1-59facd463480",
            "Read shared basic mail",
            "Read shared email without bodies and attachments.",
        ),
        (
            "Mail.ReadWrite.Shared",
            "5df07973-7d5d-46ed-9847-1271055cbd51",
            "Read and write shared mail",
            "Change email that the person may change, their own and shared.",
        ),
        (
            "Mail.Send.Shared",
            "a367ab51-6b49-43bf-a716-a1fb06d2a174",
            "Send mail for others",
            "Send email for others who allow it.",
        ),
        (
            "MailboxSettings.Read",
            "87f447af-9fa4-4c32-9dfa-4a57a73d18ce",
            "Read mailbox settings",
            "Time zone, language and automatic replies of the person’s mailbox.",
        ),
        (
            "MailboxSettings.ReadWrite",
            "818c620a-27a9-40bd-a6a5-d96f7d610b4b",
            "Read and write mailbox settings",
            "Change time zone, language and automatic replies.",
        ),
        (
            "Calendars.Read",
            "465a38f9-76ea-45b9-9f34-9e8b0d4b0b42",
            "Read calendars",
            "Read events in the calendars of a person who has signed in.",
        ),
        (
            "Calendars.ReadBasic",
            "662d75ba-a364-42ad-adee-f5f880ea4878",
            "Read basic calendar details",
            "Read events without bodies, attachments and extensions.",
        ),
        (
            "Calendars.ReadWrite",
            "1ec239c2-d7c9-4623-a91a-a9775856bb36",
            "Full access to calendars",
            "Create, read, update and delete events in the person’s calendars.",
        ),
        (
            "Calendars.Read.Shared",
            "2b9c4092-424d-4249-948d-b43879977640",
            "Read shared calendars",
            "Read events in calendars that the person may read.",
        ),
        (
            "Calendars.ReadWrite.Shared",
            "12466101-c9b8-439a-8589-dd09ee67e8e9",
            "Read and write shared calendars",
            "Change events in calendars that the person may change.",
        ),
        (
            "Contacts.Read",
            "ff74d97f-43af-4b68-9f2a-b77ee6968c5d",
            "Read contacts",
            "Read the person’s contacts.",
        ),
        (
            "Contacts.ReadWrite",
            "d56682ec-c09e-4743-aaf4-1a3aac4caa21",
            "Full access to contacts",
            "Create, read, update and delete the person’s contacts.",
        ),
        (
            "People.Read",
            "ba47897c-39ec-4d83-8086-ee8256fa737d",
            "Read relevant people",
            "People that matter to the person who has signed in.",
        ),
        (
            "Tasks.ReadWrite",
            "2219042f-cab5-40cc-b0d2-16b1540b4c5f",
            "Read and write tasks",
            "Change the person’s task lists.",
        ),
        (
            "Files.Read.All",
            "df85f4d6-205c-4ac5-a5ea-6bf408dba283",
            "Read all files the person can open",
            "Read files that the person can open.",
        ),
    )
    application = _table(
        (
            "User.Read.All",
            "df021288-bdef-4463-88db-98f22de89214",
            "Read everyone’s full profile",
            "Without a signed-in person.",
        ),
        (
            "Directory.Read.All",
            "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
            "Read directory data",
            "Without a signed-in person.",
        ),
        (
            "Application.Read.All",
            "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
            "Read applications",
            "Without a signed-in person.",
        ),
        (
            "DelegatedPermissionGrant.Read.All",
            "81b4724a-58aa-41c1-8a55-84ef97466587",
            "Read delegated permission grants",
            "Without a signed-in person.",
        ),
        (
            "DelegatedPermissionGrant.ReadWrite.All",
            "8e8e4742-1d95-4f68-9d56-6ee75648c72a",
            "Manage delegated permission grants",
            "Without a signed-in person.",
        ),
        (
            "AppRoleAssignment.ReadWrite.All",
            "06b708a9-e830-4db3-a914-8e69da51d44f",
            "Manage application permission grants",
            "Without a signed-in person.",
        ),
        (
            "Application.ReadWrite.All",
            "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9",
            "Read and write applications",
            "Without a signed-in person.",
        ),
        (
            "Mail.Read",
            "810c84a8-4a9e-49e6-bf7d-12d183f40d01",
            "Read mail in all mailboxes",
            "Without a signed-in person.",
        ),
        (
            "Mail.ReadBasic.All",
            "693c5e45-0940-467d-9b8a-1022fb9d42ef",
            "Read basic mail in all mailboxes",
            "Without a signed-in person.",
        ),
        (
            "Mail.ReadWrite",
            "e2a3a72e-5f79-4c64-b1b1-878b674786c9",
            "Read and write mail in all mailboxes",
            "Without a signed-in person.",
        ),
        (
            "Mail.Send",
            "b633e1c5-b582-4048-a93e-9f11b44c7e96",
            "Send mail as anyone",
            "Without a signed-in person.",
        ),
        (
            "MailboxSettings.Read",
            "40f97065-369a-49f4-947c-6a255697ae91",
            "Read all mailbox settings",
            "Without a signed-in person.",
        ),
        (
            "MailboxSettings.ReadWrite",
            "6931bccd-447a-43d1-b442-00a195474933",
            "Read and write all mailbox settings",
            "Without a signed-in person.",
        ),
        (
            "Calendars.Read",
            "798ee544-9d2d-430c-a058-570e29e34338",
            "Read calendars in all mailboxes",
            "Without a signed-in person.",
        ),
        (
            "Calendars.ReadBasic.All",
            "8ba4a692-bc31-4128-9094-475872af8a53",
            "Read basic calendars in all mailboxes",
            "Without a signed-in person.",
        ),
        (
            "Calendars.ReadWrite",
            "ef54d2bf-783f-4e0f-bca1-3210c0444d99",
            "Read and write calendars in all mailboxes",
            "Without a signed-in person.",
        ),
    )
    return Resource(GRAPH, "Microsoft Graph", ("https://graph.microsoft.com", GRAPH), delegated, application)


def _exchange() -> Resource:
    delegated = _table(
        (
            "EWS.AccessAsUser.All",
            "3b5f3d61-589b-4a3c-a359-5dd4b5ee5bd5",
            "Access mailboxes as the signed-in person",
            "Mail, calendar and contacts of a person who has signed in, through Exchange Web Services.",
        ),
        (
            "EAS.AccessAsUser.All",
            "ff91d191-45a0-43fd-b837-bd682c4a0b0f",
            "Access mailboxes through ActiveSync",
            "Mail, calendar and contacts of a person who has signed in.",
        ),
        (
            "IMAP.AccessAsUser.All",
            "652390e4-393a-48de-9484-05f9b1212954",
            "Read and write mail through IMAP",
            "Mail of a person who has signed in.",
        ),
        (
            "POP.AccessAsUser.All",
            "d7b7f2d9-0f45-4ea1-9d42-e50810c06991",
            "Read and write mail through POP",
            "Mail of a person who has signed in.",
        ),
        (
            "SMTP.Send",
            "258f6531-6087-4cc4-bb90-092c5fb3ed3f",
            "Send mail through SMTP",
            "Email in the name of a person who has signed in.",
        ),
    )
    application = _table(
        (
            "full_access_as_app",
            "dc890d15-9560-4a4c-9b7f-a736ec74ec40",
            "Full access to all mailboxes",
            "Through Exchange Web Services, without a signed-in person.",
        ),
    )
    return Resource(
        EXCHANGE,
        "Office 365 Exchange Online",
        ("https://outlook.office365.com", "https://outlook.office.com", EXCHANGE),
        delegated,
        application,
    )


def first_party_resources() -> dict[str, Resource]:
    """Return Microsoft's own APIs that the emulator serves, by application id.

    Source: Microsoft Graph permissions reference; EWS OAuth documentation.
    """
    return {resource.app_id: resource for resource in (_graph(), _exchange())}
