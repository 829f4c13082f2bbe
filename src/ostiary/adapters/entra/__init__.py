"""Microsoft Entra ID, v2.0: authorize and admin-consent addresses, the token endpoint, verified ID tokens.

Implements ``AuthorizationServer`` of ``core/signin``. Wire shapes and AADSTS numbers stay in here.
"""
