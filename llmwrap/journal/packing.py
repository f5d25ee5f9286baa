"""Values to msgpack and back, the only door to the library.

What is read may have been written by anybody who could write the file, so the size of
everything is bounded by what is given, no extension type is taken and keys of maps
are strings. The library is imported when it is needed: the manual is made, by loading
every command, where nothing is installed.
"""

from __future__ import annotations

from typing import TypeAlias

Packable: TypeAlias = (
    "bool | int | float | str | bytes | list[Packable] | dict[str, Packable] | None"
)
_MOST_ITEMS = 4096


def pack(value: Packable) -> bytes:
    """Return a value as msgpack; it takes whatever a server may have sent.

    Lone surrogates become question marks, and numbers of more than 64 bits nothing.
    """
    import msgpack  # type: ignore[import-untyped]  # it has no types

    packed: bytes = msgpack.packb(
        value, unicode_errors="replace", default=_nothing_for_huge
    )
    return packed


def unpack(data: bytes) -> Packable:
    """Return the value of msgpack. Raises: ValueError for whatever is wrong."""
    import msgpack

    size = len(data)
    try:
        value: Packable = msgpack.unpackb(
            data,
            raw=False,
            use_list=True,
            strict_map_key=True,
            timestamp=0,
            ext_hook=_refuse,
            max_str_len=size,
            max_bin_len=size,
            max_array_len=min(size, _MOST_ITEMS),
            max_map_len=min(size, _MOST_ITEMS),
            max_ext_len=0,
        )
    except Exception as error:
        # It raises five unrelated kinds: of its own, ValueError, TypeError,
        # UnicodeDecodeError, and RecursionError or MemoryError in bad cases.
        raise ValueError(f"no msgpack of ours: {error!r:.80}") from error
    return value


def _nothing_for_huge(value: int) -> None:
    return None


def _refuse(code: int, data: bytes) -> Packable:
    raise ValueError(f"extension type {code}")
