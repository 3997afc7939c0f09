"""A command's TARGET: ``file.py:name``, or a graph in a file of `symgraph.save`."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TypeAlias, TypeGuard

from .errors import SymgraphError
from .function import Function, function
from .graph import toposort
from .graphs import Graph
from .leaf import Input
from .mode import Mode
from .passes import Pipeline
from .saved import load
from .variable import Variable

#: A target's file among the modules: a name that shadows none and is not "__main__".
MODULE = "__symgraph_target__"

#: How symgraph's errors begin the line that says what to do.
HELP = "help: "

Shown: TypeAlias = Function | Graph | Variable | Sequence[Variable]


class TargetError(Exception):
    """A target cannot be had: what is wrong, and what to do about it.

    Attributes:
        remedy: what to do.
        usage: whether the command line is at fault, and not the target's own code.
    """

    def __init__(self, what: str, remedy: str, *, usage: bool) -> None:
        super().__init__(what)
        self.remedy = remedy
        self.usage = usage


#: What the files that have been run bind, by their paths.
Files: TypeAlias = dict[Path, dict[str, object]]


def resolve(target: str, files: Files | None = None) -> Function:
    """The function, graph or expressions that `target` names, as a function.

    The file is run as a module, with its folder first among the import paths; what it
    prints goes to stderr.  It is run once for all targets that share `files`.  Only a
    compiled function is compiled: the others become functions that can be looked at but
    run in NumPy.

    Raises:
        TargetError: no such file or name, the file fails, or the name holds something
            else.
    """
    path, name = _split(target)
    if not name and path.suffix != ".py":
        return _saved(path)
    found = _names(path, files)
    shown = _named(target, path, name, found)
    if not is_target(shown):
        raise TargetError(
            f"{name!r} in {path} is of type {type(shown).__name__}: neither a "
            "function, a graph nor variables",
            _suggestion(path, found),
            usage=True,
        )
    return as_function(shown, name)


#: Arguments by position and by name.
Arguments: TypeAlias = tuple[tuple[object, ...], dict[str, object]]


def examples(target: str, files: Files | None = None) -> Arguments | None:
    """The arguments that the file of ``file.py:NAME`` calls ``NAME_args``.

    A tuple or list holds them in order, a dict by name.  None: there are none.

    Raises:
        TargetError: it is something else.
    """
    path, name = _split(target)
    found = _names(path, files) if name else {}
    match found.get(f"{name}_args"):
        case None:
            return None
        case tuple() | list() as values:
            return tuple(values), {}
        case dict() as values:
            return (), {str(key): value for key, value in values.items()}
        case other:
            what = f"{name}_args in {path} is of type {type(other).__name__}"
            remedy = "make it a tuple of arguments, or a dict of them by name"
            raise TargetError(what, remedy, usage=True)


def compiled(found: Function) -> Function:
    """`found`, or the same compiled where it runs in NumPy."""
    pipeline = found.compilation.pipeline
    return found if found.versions else found.with_mode(Mode(pipeline))


def resolve_mode(target: str, beside: str, files: Files | None = None) -> Mode:
    """The mode that ``FILE.py:NAME`` holds, or NAME alone in the file of `beside`.

    It may be a pipeline as well.

    Raises:
        TargetError: no such file or name, the file fails, or it holds something else.
    """
    path, name = _split(target if ":" in target else f"{_split(beside)[0]}:{target}")
    if path.suffix != ".py":
        remedy = "give it as FILE.py:NAME"
        raise TargetError(f"{path} holds no modes", remedy, usage=True)
    found = _names(path, files)
    held = _named(target, path, name, found)
    if isinstance(held, Pipeline):
        return Mode(held)
    if not isinstance(held, Mode):
        kind = type(held).__name__
        known = [k for k, v in found.items() if isinstance(v, Mode | Pipeline)]
        remedy = (
            f"{path} has: {', '.join(known)}" if known else "bind sg.Mode(...) to it"
        )
        what = f"{name!r} in {path} is of type {kind}, and no mode"
        raise TargetError(what, remedy, usage=True)
    return held


def _names(path: Path, files: Files | None) -> dict[str, object]:
    """What the file at `path` binds; it is run unless `files` has it."""
    known = {} if files is None else files
    place = path.resolve()
    if place not in known:
        known[place] = vars(_run(path)).copy()
    return known[place]


def _named(target: str, path: Path, name: str, found: dict[str, object]) -> object:
    if name not in found:
        what = f"{path} has no {name!r}" if name else f"no name in {target!r}"
        raise TargetError(what, _suggestion(path, found), usage=True)
    return found[name]


def _saved(path: Path) -> Function:
    """The graph that a file holds, as a function."""
    try:
        return as_function(load(path), path.stem)
    except (SymgraphError, OSError) as error:
        said, remedy = one_line(error)
        raise TargetError(said, remedy or "give another file", usage=True) from error


def is_target(value: object) -> TypeGuard[Shown]:
    """Whether `value` can be dumped."""
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(item, Variable) for item in value)
    return isinstance(value, Function | Graph | Variable)


def as_function(shown: Shown, name: str) -> Function:
    """`shown` as a function; one made here has every stage, but runs in NumPy."""
    match shown:
        case Function():
            return shown
        case Graph(inputs=inputs, outputs=outputs):
            pass
        case Variable():
            inputs, outputs = _inputs_of([shown]), (shown,)
        case _:
            inputs, outputs = _inputs_of(shown), tuple(shown)
    return function(
        inputs,
        list(outputs),
        name=name,
        mode="interpret",
        on_unused_input="ignore",
        device="cpu",
    )


def _inputs_of(outputs: Sequence[Variable]) -> tuple[Variable, ...]:
    """Every input that `outputs` depend on, in the order of their declarations."""
    nodes = toposort(v.node for v in outputs)
    leaves = [(n.op.uid, n) for n in nodes if isinstance(n.op, Input)]
    return tuple(Variable(n) for _, n in sorted(leaves, key=lambda pair: pair[0]))


# -- the file --------------------------------------------------------------------------


def _split(target: str) -> tuple[Path, str]:
    """The file and the name of ``file.py:name``; the name is "" where there is none."""
    file, _, name = target.rpartition(":")
    path = Path(file or name)
    if not path.is_file():
        what = f"{path} is not a file" if path.exists() else f"there is no file {path}"
        raise TargetError(
            what,
            "TARGET is FILE.py:NAME, such as net.py:loss, or a saved graph",
            usage=True,
        )
    return path, name if file else ""


def _run(path: Path) -> ModuleType:
    """The module that running `path` makes; what it prints goes to stderr."""
    module = ModuleType(MODULE)
    module.__file__ = str(path)
    # Its own imports, and dataclasses, look for the module here; the command ends soon.
    sys.modules[MODULE] = module
    sys.path.insert(0, str(path.resolve().parent))
    with _Blamed(path), contextlib.redirect_stdout(sys.stderr):
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    return module


class _Blamed:
    """Whatever the file at `path` raises becomes a TargetError, sys.exit() included.

    The code is the user's, so no list of classes would do; a context manager sees every
    error without naming any.  Interrupts pass.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, KeyboardInterrupt):
            return
        said, remedy = one_line(error)
        if isinstance(error, SyntaxError):
            remedy = f"python -m py_compile {self.path} shows the place"
        what = f"{self.path}:{_line(error, self.path)}: {type(error).__name__}: {said}"
        remedy = remedy or "--traceback shows how it came to that"
        raise TargetError(what, remedy, usage=False) from error


class Called:
    """Whatever a call of the function called `name` raises becomes a TargetError.

    A function may call Python code of the user's, and sizes may be too large for NumPy.
    Our own errors, which say what to do, and interrupts pass.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        passing = SymgraphError | TargetError | KeyboardInterrupt
        if error is None or isinstance(error, passing):
            return
        remedy = "--traceback shows how it came to that"
        if isinstance(error, MemoryError | OverflowError):
            remedy = "give smaller sizes with --size"
        what = f"{self.name}: {type(error).__name__}: {one_line(error)[0]}"
        raise TargetError(what, remedy, usage=False) from error


def one_line(error: BaseException) -> tuple[str, str | None]:
    """An error's message as one line, and its remedy, where it has one."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    remedies = [line[len(HELP) :] for line in lines if line.startswith(HELP)]
    said = "; ".join(line for line in lines if not line.startswith(HELP))
    return said, remedies[0] if remedies else None


def _line(error: BaseException, path: Path) -> int:
    """The line of the file at `path` where `error` left it."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 1
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return (lines[-1] if lines else None) or 1


def _suggestion(path: Path, found: dict[str, object]) -> str:
    """The names in the file that would do."""
    names = [k for k, v in found.items() if not k.startswith("_") and is_target(v)]
    if not names:
        return f"bind a function, a graph or variables to a name in {path}"
    return f"{path} has: {', '.join(names)}"
