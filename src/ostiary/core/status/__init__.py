"""How well the service worked in the last days: one look every five minutes, kept as counts per day and part.

Owns the counts and what they mean. What a part is and how it is asked, ``bootstrap`` says.
"""
