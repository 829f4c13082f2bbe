"""The append-only trail: who did what to which organization, tenant or connection (SR-72 to SR-75).

A record is written in the same transaction as its act. Every feature calls it; it calls none.
"""
