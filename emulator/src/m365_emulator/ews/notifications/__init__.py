"""Subscriptions to changes of a mailbox, and the three ways they are told: pull, push and streaming."""
