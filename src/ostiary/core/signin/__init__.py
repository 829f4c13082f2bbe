"""Sign-in with Microsoft: authorization requests, code exchange, verified identity (SR-1 to SR-10).

Owns the pending record behind every redirect to Microsoft (admin consent, connect, console) and the rule
that a return completes it once, in the browser that began it. What a sign-in is for belongs to the caller
(``consent``, ``connections``, ``access``).
"""
