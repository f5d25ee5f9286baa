"""Settings: TOML file and LLMWRAP_* variables to frozen values.

Read once at the top (`Config.load`), handed down as values. On the way of every run,
so that nothing here imports tomllib, json, difflib, pathlib or dataclasses before it
needs them. Beside this door, imported by those who need them only: `api_key` reads
the keys of backends, `show` lists what is in force, `sample` writes a first file and
lists the settings for the manual page.
"""

from .addresses import mask_secrets, parse_base_url
from .load import Config, built_in_backend
from .schema import (
    BUILT_IN_BASE_URLS,
    FIRST_RETRY_S,
    FIRST_TOKEN_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    AliasConfig,
    BackendConfig,
    CacheConfig,
    DefaultsConfig,
    HistoryConfig,
    LimitsConfig,
    LoggingConfig,
    Secret,
    StreamingConfig,
    TemplatesConfig,
    UIConfig,
)
from .sources import config_path

__all__ = [
    "BUILT_IN_BASE_URLS",
    "FIRST_RETRY_S",
    "FIRST_TOKEN_TIMEOUT_S",
    "IDLE_TIMEOUT_S",
    "AliasConfig",
    "BackendConfig",
    "CacheConfig",
    "Config",
    "DefaultsConfig",
    "HistoryConfig",
    "LimitsConfig",
    "LoggingConfig",
    "Secret",
    "StreamingConfig",
    "TemplatesConfig",
    "UIConfig",
    "built_in_backend",
    "config_path",
    "mask_secrets",
    "parse_base_url",
]
