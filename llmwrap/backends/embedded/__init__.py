"""A llama.cpp of our own and its background process.

Imports nothing: who asks only whether a model is installed must not pay for HTTP.
"""
