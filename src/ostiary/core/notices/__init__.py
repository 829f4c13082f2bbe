"""Mails to people: an outbox written in the transaction of the act, emptied by the worker.

Other features say what is to be told to whom; how each mail reads stands beside the feature that sends it.
"""
