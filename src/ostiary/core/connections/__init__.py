"""A member's connected mailbox and calendar: OAuth connect, token life, reconnect, disconnect.

Owns connect sessions, connections and their sealed refresh tokens. Never learns what is read with them.
"""
