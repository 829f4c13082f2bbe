"""Customer Entra tenants and the one organization each is bound to (SR-16, SR-17).

Owns the binding rule; learns of tenants from ``consent`` and ``connections``.
"""
