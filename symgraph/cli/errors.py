"""Errors of the command line: one line, a remedy, and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

#: The base of what typer raises for a wrong command line; it exports the subclass only.
_UsageError: Any = typer.BadParameter.__base__

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class Group(TyperGroup):
    """Says what is wrong with the command line in one line and a remedy."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command; in `standalone_mode` end the process with its exit code."""
        try:
            extra["standalone_mode"] = False
            code = super().main(*args, **extra)
        except _UsageError as error:
            path = error.ctx.command_path if error.ctx else "symgraph"
            said = " ".join(error.format_message().split())
            code = complain(said, f"{path} --help", USAGE)
        except typer.Abort:
            code = INTERRUPTED
        code = code if isinstance(code, int) else OK
        if standalone_mode:
            sys.exit(code)
        return code


def complain(what: str, remedy: str | None, code: int) -> int:
    """Write an error to stderr; returns the exit code."""
    typer.echo(f"error: {what}", err=True)
    if remedy:
        typer.echo(f"help: {remedy}", err=True)
    return code


@contextlib.contextmanager
def reporting(show_traceback: bool) -> Iterator[None]:
    """Turn what a command raises into its message and exit code."""
    from ..errors import NotFoundError, SymgraphError
    from ..target import TargetError, one_line

    try:
        yield
        sys.stdout.flush()
    except TargetError as error:
        _show(error.__cause__, show_traceback)
        code = USAGE if error.usage else FAILED
        raise typer.Exit(complain(str(error), error.remedy, code)) from None
    except SymgraphError as error:
        _show(error, show_traceback)
        code = USAGE if isinstance(error, NotFoundError) else FAILED
        raise typer.Exit(complain(*one_line(error), code)) from None
    except BrokenPipeError:
        # The reader has all it wanted.  What is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(OK) from None


def _show(error: BaseException | None, show_traceback: bool) -> None:
    if error is not None and show_traceback:
        typer.echo("".join(traceback.format_exception(error)), err=True, nl=False)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say that `path` cannot be written to, where that is so."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        remedy = "choose another place with -o or --out"
        reason = f"cannot write to {path}: {error.strerror or error}"
        raise typer.Exit(complain(reason, remedy, USAGE)) from None
