"""Many questions, each answered once, whatever happens between."""
