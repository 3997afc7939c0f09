"""Functions that look at what the compiler did, for any kind of target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .inspect.diff import Difference
    from .inspect.explain import Explanation
    from .inspect.whynot import WhyNot
    from .mode import Mode
    from .target import Shown


def explain(
    target: Shown,
    rule: str | None = None,
    node: str | int | None = None,
) -> Explanation:
    """What was done to a function, graph or variables, rule by rule.

    Args:
        target: a compiled function, a :class:`Graph`, or variables.
        rule: only the steps of this rule (or of this pass by itself).
        node: only the steps that lead to this node of the optimized graph (its number
            in dumps), or that come from this line (``"net.py:12"`` or ``":12"``).

    `str()` of the result is text, ``.json()`` plain data, ``.steps`` the numbers of the
    steps and ``.provenance`` everything that is known (see `Function.provenance`).

    Raises:
        NotFoundError: there is no such rule, node or line.

    >>> import symgraph as sg
    >>> x = sg.dvector("x")
    >>> found = sg.explain(sg.log(1 + x), rule="log_of_one_plus")
    >>> found.json()["steps"][0]["after"]
    'log1p(x)'
    """
    from .inspect.explain import explained
    from .target import as_function

    return explained(as_function(target, "target").compilation, rule, node)


def explain_why_not(target: Shown, rule: str) -> WhyNot:
    """Why a rule did not fire on a function, graph or variables: its near misses.

    `str()` of the result is text, ``.json()`` plain data, ``.misses`` the places where
    the pattern nearly matched, or the rule's own condition did not hold.

    Raises:
        NotFoundError: there is no such rule.

    >>> import symgraph as sg
    >>> x = sg.dvector("x")
    >>> sg.explain_why_not(sg.log(2 + x), "log_of_one_plus").misses[0].reason
    'wants the constant 1.0, found 2.0'
    """
    from .inspect.whynot import why_not
    from .target import as_function

    return why_not(as_function(target, "target").compilation, rule)


def explore(
    target: Shown, /, *args: Any, height: int | None = None, **kwargs: Any
) -> Any:
    """The explorer of a function, graph or variables, as a widget in a notebook.

    It shows the graph at every step of its rewriting, its kernels with their code, and
    its memory; where a pass or a rule is switched off there, the pipeline is run again.
    With arguments, as for a call, it also shows how long each kernel takes and what
    values each node has, measured in such calls; shared variables keep their values.
    `height` is in pixels.

    Raises:
        UnsupportedError: anywidget is not installed (the extra "notebook" has it).
        SymgraphError, and others: what such a call raises.
    """
    from .target import as_function

    return as_function(target, "target").explore(*args, height=height, **kwargs)


def compare(
    before: Shown,
    after: Shown | None = None,
    *,
    without: str | Sequence[str] = (),
    mode: Mode | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Difference:
    """What distinguishes two functions, or one under another pipeline.

    Args:
        before: a compiled function, a :class:`Graph`, or variables.
        after: another; None for the same.
        without: passes and rules that the second does without, by name or by what they
            preserve.
        mode: whose pipeline the second goes through, in place of its own.
        sizes: numbers for sizes, by the names that `Function.cost` has for them; costs
            are formulas of the others.

    `str()` of the result is text, ``.json()`` plain data, ``.same`` whether there is no
    difference.  Nothing is compiled to machine code or run.

    Raises:
        NotFoundError: there is no such size, pass or rule.

    >>> import symgraph as sg
    >>> x = sg.dvector("x")
    >>> f = sg.function([x], sg.log(1 + x))
    >>> found = sg.compare(f, without="log_of_one_plus")
    >>> found.ops["log"], found.ops["log1p"]
    ((0, 1), (1, 0))
    """
    from .inspect.diff import compared
    from .target import as_function

    a = as_function(before, "before")
    b = a if after is None else as_function(after, "after")
    left_out = (without,) if isinstance(without, str) else tuple(without)
    pipeline = None if mode is None else mode.pipeline
    return compared(a.compilation, b.compilation, left_out, pipeline, sizes)


__all__ = ["compare", "explain", "explain_why_not", "explore"]
