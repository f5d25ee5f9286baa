"""Figures of runs: what is measured and how it is defined."""
