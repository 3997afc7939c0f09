"""``symgraph cache``: compiled code that is kept on disk."""

from __future__ import annotations

import typer

from .errors import reporting

cache_app = typer.Typer(help="Compiled code that is kept on disk.")


@cache_app.command()
def info() -> None:
    """Where the cache is and what it holds."""
    from ..compiler import disk_cache

    found = disk_cache().info()
    with reporting(False):
        print(f"directory: {found.directory}")
        print(f"functions: {found.entries}")
        print(f"size: {found.bytes / 1e6:.1f} MB")
        print(f"state: off, {found.reason}" if found.reason else "state: on")


@cache_app.command()
def clear() -> None:
    """Delete all compiled code that is kept."""
    from ..compiler import disk_cache

    cache = disk_cache()
    with reporting(False):
        print(f"deleted: {cache.clear()} functions from {cache.directory}")
