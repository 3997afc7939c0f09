"""``symgraph cache``: compiled code that is kept on disk.

The schema of ``cache info --format json``, version 1::

    {
      "schema": "symgraph.cache", "version": 1,
      "directory": "/home/me/.cache/symgraph", "functions": 12, "bytes": 345678,
      "on": true, "reason": null                # why it is off
    }
"""

from __future__ import annotations

import typer

from .errors import reporting
from .options import Output, ReportFormat, TextOrJson, json_text, write

VERSION = 1

cache_app = typer.Typer(help="Compiled code that is kept on disk.")


@cache_app.command()
def info(format: ReportFormat = TextOrJson.text, output: Output = None) -> None:
    """Where the cache is and what it holds."""
    from ..compiler import disk_cache

    found = disk_cache().info()
    data = {
        "schema": "symgraph.cache",
        "version": VERSION,
        "directory": str(found.directory),
        "functions": found.entries,
        "bytes": found.bytes,
        "on": not found.reason,
        "reason": found.reason or None,
    }
    text = (
        f"directory: {found.directory}\n"
        f"functions: {found.entries}\n"
        f"size: {found.bytes / 1e6:.1f} MB\n"
        f"state: {f'off, {found.reason}' if found.reason else 'on'}\n"
    )
    with reporting(False):
        write(json_text(data) if format is TextOrJson.json else text, output)


@cache_app.command()
def clear() -> None:
    """Delete all compiled code that is kept."""
    from ..compiler import disk_cache

    cache = disk_cache()
    with reporting(False):
        print(f"deleted: {cache.clear()} functions from {cache.directory}")
