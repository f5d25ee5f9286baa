"""A stand-in for xllamacpp, found by the path of this directory."""
