"""Ground that every feature stands on: ids, clock, entropy, errors, secrets, pages, transactions.

Knows nothing of any feature. Everything else in core imports from here.
"""
