"""Records on disk that many processes append to, some of which die.

`records.py` says what a record is, `files.py` reads, appends and rewrites files of
them, `packing.py` is the only door to msgpack. A run that answers from the cache pays
for each import, so the first two need nothing but os and a hash.
"""
