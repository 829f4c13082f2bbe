"""Change notifications: subscriptions, the handshake, and the posts that follow.

`requests` holds the operations under /subscriptions; `notifier.Notifier` watches the mailboxes and posts;
`notifier.of(world).send_lifecycle(id, kind)` sends a lifecycle notification on demand.
"""
