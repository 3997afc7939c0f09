"""Why a rule's function returned None: the condition on its way out, found by watching.

The function is run once under :func:`sys.settrace`, which tells on which line it (or a
helper of the same file) gave up; the syntax tree has the condition around that line.
"""

from __future__ import annotations

import ast
import functools
import linecache
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from ..dims import Dim
from ..graph import Node, describe_node
from ..variable import Variable

#: A value is shown with so many characters at most.
LONGEST = 60


@dataclass(frozen=True, slots=True)
class _Left:
    """A frame that returned None: where, and what its names were."""

    code: CodeType
    line: int
    names: dict[str, Any]
    globals: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Guard:
    """Why a function gave up, and how far it had come: from 0 to 1."""

    reason: str
    progress: float


def failed_guard(
    function: Callable[..., Any], arguments: Mapping[str, Any], node: Node
) -> Guard | None:
    """The condition on which a rule's `function` gave up; None: it did not.

    A rule that returns `node` itself has changed nothing, which counts as giving up.
    """
    left: list[_Left] = []
    result = _watched(function, arguments, left)
    if result is None:
        return Guard(_reason(left), _progress(left[-1]))
    made = result.node if isinstance(result, Variable) else result
    return Guard("it would change nothing", 1.0) if made is node else None


def _progress(left: _Left) -> float:
    lines = [n for *_, n in left.code.co_lines() if n is not None]
    first, last = min(lines), max(lines)
    return (left.line - first) / max(last - first, 1)


def _watched(
    function: Callable[..., Any], arguments: Mapping[str, Any], left: list[_Left]
) -> Any:
    """What `function` returns; `left` gets the frames that returned None, in order."""
    code = function.__code__

    def enter(frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename != code.co_filename:
            return None
        return follow

    def follow(frame: FrameType, event: str, arg: Any) -> Any:
        if event == "return" and arg is None:
            names, outer = dict(frame.f_locals), frame.f_globals
            left.append(_Left(frame.f_code, frame.f_lineno, names, outer))
        return follow

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        return function(**arguments)
    finally:
        sys.settrace(before)


def _reason(left: list[_Left]) -> str:
    """What is known of why the last frame returned None."""
    own = left[-1]
    told = _condition(own)
    if len(left) > 1 and _calls(own, left[-2]):
        helper = left[-2]
        told = f"in {helper.code.co_name}: {_condition(helper)}"
    return told


def _calls(own: _Left, helper: _Left) -> bool:
    """Whether a frame left by a line that is a call of `helper`, or a name for one."""
    line = linecache.getline(own.code.co_filename, own.line)
    return helper.code.co_name in line


def _condition(left: _Left) -> str:
    """The condition under which a frame returned None, with what its names were."""
    tree = _function_at(left.code.co_filename, left.code.co_firstlineno)
    text = linecache.getline(left.code.co_filename, left.line).strip()
    tests: list[tuple[str, ast.expr]] = []
    for found in ast.walk(tree) if tree is not None else ():
        end = getattr(found, "end_lineno", 0)
        if not getattr(found, "lineno", 0) <= left.line <= end:
            continue
        if isinstance(found, ast.If):
            inside = any(_spans(s, left.line) for s in found.body)
            if inside:
                tests.append(("", found.test))
            elif any(_spans(s, left.line) for s in found.orelse):
                tests.append(("not ", found.test))
        elif isinstance(found, ast.Return) and isinstance(found.value, ast.IfExp):
            if _is_none(found.value.orelse):
                tests.append(("not ", found.value.test))
            elif _is_none(found.value.body):
                tests.append(("", found.value.test))
    if not tests:
        return _at_the_end(tree, left.line, text)
    sign, test = tests[-1]  # the innermost
    test = _decisive(test, left, ast.And if sign else ast.Or)
    condition = ast.unparse(test)
    shown = f"not ({condition})" if sign else condition
    return f"{shown}{_values(test, left.names)}"


def _at_the_end(tree: ast.AST | None, line: int, text: str) -> str:
    """What a return outside any condition says: the conditions that led to no other."""
    if text not in ("return None", "return"):
        return (
            f"`{text}`" if "#" in text else f"`{text.removeprefix('return ')}` is None"
        )
    before = [
        ast.unparse(found.test)
        for found in (ast.walk(tree) if tree is not None else ())
        if isinstance(found, ast.If) and (found.end_lineno or 0) < line
    ]
    return f"nothing came of: {'; '.join(before)}" if before else f"`{text}`"


def _decisive(test: ast.expr, left: _Left, kind: type[ast.boolop]) -> ast.expr:
    """Of ``a or b`` the first that holds, of ``a and b`` the first that does not.

    They are evaluated once more, in order, as the function itself did.
    """
    if not isinstance(test, ast.BoolOp) or not isinstance(test.op, kind):
        return test
    scope = left.globals | left.names
    for part in test.values[:-1]:
        code = compile(ast.Expression(part), left.code.co_filename, "eval")
        if bool(eval(code, scope)) == (kind is ast.Or):
            return part
    return test.values[-1]


def _spans(statement: ast.stmt, line: int) -> bool:
    return statement.lineno <= line <= (statement.end_lineno or statement.lineno)


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _values(test: ast.AST, names: Mapping[str, Any]) -> str:
    """``, where x is ...`` for the names in a condition whose values say something."""
    used = [n.id for n in ast.walk(test) if isinstance(n, ast.Name)]
    told = [
        f"{name} is {_value(names[name])}"
        for name in dict.fromkeys(used)
        if name in names and _value(names[name])
    ]
    return f", where {' and '.join(told)}" if told else ""


def _value(value: object) -> str:
    """A value in a few words; "" where it is nothing to be shown."""
    match value:
        case Variable():
            text = describe_node(value.node)
        case Node():
            text = describe_node(value)
        case bool() | int() | float() | str() | None | Dim():
            text = str(value)
        case tuple():
            text = f"({', '.join(_value(v) or '...' for v in value)})"
        case _:
            return ""
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


@functools.cache
def _tree(file: str) -> ast.Module | None:
    """The syntax tree of a file; None where there is no such text, as in a console."""
    text = "".join(linecache.getlines(file))
    try:
        return ast.parse(text) if text else None
    except SyntaxError:
        return None


def _function_at(file: str, line: int) -> ast.AST | None:
    """The function that begins on a line, its decorators included."""
    tree = _tree(file)
    for found in ast.walk(tree) if tree is not None else ():
        if isinstance(found, ast.FunctionDef | ast.Lambda):
            decorators = getattr(found, "decorator_list", [])
            first = min([found.lineno, *(d.lineno for d in decorators)])
            if first == line or found.lineno == line:
                return found
    return None


__all__ = ["Guard", "failed_guard"]
