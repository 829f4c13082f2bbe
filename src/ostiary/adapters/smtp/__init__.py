"""Mail over SMTP: the two looks of a message, and the hand-over to a mail server."""
