"""HTTP: the only door to requests, and decoders for what comes through it."""
