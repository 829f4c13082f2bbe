"""Customer companies of the vendor, their members and who holds a licence.

Knows nothing of Microsoft beyond the identity a member was seen with. Called by almost everything above.
"""
