"""A llama.cpp of our own, its background process and its models. Floor F3.

Imports nothing: who asks only whether a model is installed must not pay for HTTP.
"""
