"""Model files: which there are, what they say of themselves, getting one."""
