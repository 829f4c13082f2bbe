"""Admin consent: the permissions we ask for, the approval flow, the record of each approval.

Owns links for IT administrators, attempts, and the verified consent per tenant and access method. Leaves
tokens to ``connections`` and people who wait to ``approvals``.
"""
