"""The tests of llmwrap; one file a module."""
