"""Approval requests: people who cannot connect yet ask their IT administrator, and hear of the answer.

One request per organization, tenant and access method, which colleagues join. Called by the connect pages
and the console; told by ``consent`` when a tenant approves.
"""
