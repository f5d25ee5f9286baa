"""The response cache.

`response_cache.py` is its face. Nothing is imported here: the fast way of a hit takes
two of the small modules and must not pay for the others.
"""
