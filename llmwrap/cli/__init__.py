"""The command line: argv to a call, its result to output, errors to a status."""
