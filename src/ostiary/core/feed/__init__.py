"""The change feed: what happened to connections and consents, in order, kept for thirty days.

Other features append their news inside their own transaction and never learn who reads it. Leaves reading mailboxes to
``sync`` and sending to ``webhooks``; both go through the ports here.
"""
