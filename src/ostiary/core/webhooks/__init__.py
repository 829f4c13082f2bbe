"""Webhooks to the vendor: every event of the feed, pushed to the vendor's own addresses by the Standard Webhooks convention.

Endpoints, signatures, deliveries with retries, dead letters and replay. The feed fans out into it inside its own
transactions; a sender hands over what is due.
"""
