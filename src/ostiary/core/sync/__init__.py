"""Following mailboxes: what to read next, what changed, and the proof that nothing was missed.

Keeps a projection of each mailbox (ids, versions, places) and tells the feed how the mailbox differs from it. Also owns
Graph's subscriptions, the notifications that come of them, and EWS's streams: all of them only say *when* to read.
Content is read by ``mail`` and ``calendar``, never here.
"""
