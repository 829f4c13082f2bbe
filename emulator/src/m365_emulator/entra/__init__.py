"""Entra ID: the pages a person sees and the endpoints a client calls.

Owns sign-in, consent and tokens; what is true of tenants and people is the
world's. `server` mounts `entra.routes.routes`; Graph and EWS read tokens through
`entra.tokens`.
"""
