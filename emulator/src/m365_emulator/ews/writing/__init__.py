"""Reading items out of requests: elements become values of the mailbox store."""
