"""The words generated mail is made of: subjects, sentences, places; no people."""

from __future__ import annotations

CORRESPONDENTS = (
    ("Accounts Receivable", "accounts@supplier.example"),
    ("Order Desk", "orders@supplier.example"),
    ("Freight Notices", "notices@freight.example"),
    ("Service Desk", "desk@printers.example"),
    ("Newsletter", "news@trade-journal.example"),
)

TOPICS = (
    "Order {n}: delivery date",
    "Invoice {n} for October",
    "Question about quote {n}",
    "Minutes of the weekly meeting",
    "Price list, version {n}",
    "Contract {n} for signature",
    "Stock count in warehouse {n}",
    "Complaint {n}: damaged packaging",
    "Travel plans for the trade fair",
    "New drawing for part {n}",
    "Reminder: time sheets",
    "Customer visit on site {n}",
    "Maintenance window for printer {n}",
    "Budget draft, round {n}",
    "Shipping label {n} missing",
)

PARAGRAPHS = (
    "The goods left the warehouse this morning and should arrive within three working days.",
    "Please check the attached figures and tell me if anything is missing.",
    "We can offer the same conditions as last year if the order is confirmed by the end of the month.",
    "The meeting has been moved because the room was already taken.",
    "Two boxes arrived damaged; photographs are in the shared folder.",
    "I have added the open points to the list and marked the ones that concern your team.",
    "Could you confirm the quantity before we start production?",
    "The invoice does not mention the discount that we agreed on.",
    "Thank you for the quick answer, that settles the question.",
    "The customer would like to see a sample before deciding.",
    "Our office is closed on Friday; urgent matters can go to the service desk.",
    "The new drawing replaces the earlier version from the start of next week.",
    "Nothing else has changed since the last report.",
    "The carrier needs the customs form by noon.",
    "Let us go through the details on the phone tomorrow.",
    "The figures for the third quarter are slightly better than expected.",
)

ATTACHMENTS = (
    ("invoice.pdf", "application/pdf"),
    ("price-list.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("minutes.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("photo.jpg", "image/jpeg"),
    ("notes.txt", "text/plain"),
)

FOLDERS = (
    ("", "Customers"),
    ("Customers", "Orders"),
    ("Customers", "Complaints"),
    ("", "Suppliers"),
    ("", "Reports"),
)
"""Parent (empty: the inbox) and name."""

CATEGORIES = (
    ("Blue category", "preset7"),
    ("Green category", "preset4"),
    ("Orange category", "preset1"),
    ("Purple category", "preset8"),
    ("Red category", "preset0"),
    ("Yellow category", "preset3"),
)
"""What every new mailbox has. Source: Outlook's default master category list."""

MEETINGS = (
    "Weekly team meeting",
    "Project review",
    "Customer call",
    "Budget planning",
    "Interview",
    "Warehouse tour",
    "Supplier negotiation",
    "Training session",
    "Quarterly report",
    "Lunch with suppliers",
)

PLACES = ("Room Harbour", "Room Vale", "Reception", "Warehouse 2", "Online", "")
