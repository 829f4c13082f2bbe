"""What the service answers, as frozen dataclasses: one file per noun, field by field what the API's description says.

A newer service may send fields that a class does not have, and words that a ``Literal`` does not list: the first are
left out, the second are passed on as they came.
"""
