"""What an answer must be: JSON Schemas read, sent and checked.

Asks nobody. What is sent is weak, as servers choke on much of a schema; what decides is
the check here, of the whole schema.
"""
