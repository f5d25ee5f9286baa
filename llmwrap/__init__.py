"""llmwrap: local language models in pipelines, cron jobs and terminal chats.

The library's public names are loaded when they are first used (PEP 562), so that
`llmwrap --version` and a cached answer import nothing they do not need.
"""

__version__ = "0.1.0"
