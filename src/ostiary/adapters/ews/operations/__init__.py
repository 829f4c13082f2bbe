"""One file per EWS call: how its request is written and how its answer is taken apart.

Element order matters: Exchange refuses a request whose children stand in another order than its schema's.
"""
