"""Records on disk that many processes append to, some of which die.

`records.py` says what a record is, `keyed.py` keeps one live record a key in a file,
`packing.py` is the only door to msgpack. A run that answers from the cache pays for
each import, so the first one needs nothing but a hash.
"""
