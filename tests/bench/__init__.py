"""Benchmarks: whole processes against a very fast mock server, as ratios of one run."""
