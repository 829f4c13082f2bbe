"""How fast one mailbox may be used: calls at once, calls per ten minutes, and the pauses that Microsoft asks for.

The limits are Microsoft's, per app and mailbox, so all processes share them. Called by the Graph and EWS clients around
every request they send.
"""
