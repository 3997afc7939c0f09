"""Which op made a NaN or an infinity."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from ..config import config
from ..errors import DebugError, NonFiniteWarning, message
from ..graph import Node, describe_site, toposort
from ..op import Array
from .values import Given, summary, values_of


class Watch:
    """Notes, as nodes are computed, which hold a NaN or an infinity."""

    def __init__(self) -> None:
        self.nan: set[Node] = set()
        self.inf: set[Node] = set()

    def __call__(self, node: Node, value: Array) -> None:
        if value.dtype.kind not in "fc":
            return
        if np.isnan(value).any():
            self.nan.add(node)
        if np.isinf(value).any():
            self.inf.add(node)

    def makers(self, roots: Sequence[Node]) -> tuple[Node | None, Node | None]:
        """Under `roots`: the first op that made a NaN, and the first that made either.

        That is: a NaN from operands without one; either from finite operands.
        """
        nan = either = None
        for node in toposort(roots):
            if not node.inputs:
                continue
            bad = node in self.nan or node in self.inf
            fed = any(i in self.nan or i in self.inf for i in node.inputs)
            if either is None and bad and not fed:
                either = node
            if nan is None and node in self.nan:
                nan = None if any(i in self.nan for i in node.inputs) else node
            if nan is not None:
                break
        return nan, either


def report(
    watch: Watch, roots: Sequence[Node], results: Sequence[Array], given: Given
) -> None:
    """Raise or warn, by ``config.debug_nan``, about what `watch` has noted.

    `results` are the values of `roots` as computed: but for "strict", only what they
    show counts.
    """
    policy = config.debug_nan
    if policy == "ignore":
        return
    shown: list[Node] = []
    nan = False
    for root, value in zip(roots, map(np.asarray, results), strict=True):
        if value.dtype.kind in "fc" and not np.isfinite(value).all():
            shown.append(root)
            nan = nan or bool(np.isnan(value).any())
    if policy == "strict":
        shown, nan = list(roots), nan or bool(watch.nan)
    maker, origin = watch.makers(shown)
    culprit = (maker if nan else None) or origin
    if culprit is None:
        return  # the arguments hold it
    source = _origin(watch, culprit)
    error = _told(source, culprit, given)
    if policy == "strict" or (policy == "raise" and culprit in watch.nan and nan):
        raise error
    warnings.warn(NonFiniteWarning(str(error)), stacklevel=4)


def _origin(watch: Watch, culprit: Node) -> Node:
    """The first op under `culprit` that made either of finite operands."""
    return watch.makers([culprit])[1] or culprit


def _told(node: Node, culprit: Node, given: Given) -> DebugError:
    values = values_of((*node.inputs, node), given)
    value = values[node]
    bad = ~np.isfinite(value)
    index = tuple(int(i) for i in np.argwhere(bad)[0]) if value.ndim else ()
    what = "a NaN" if np.isnan(value[index]) else "an infinity"
    where = f" at index {list(index)}" if index else ""
    count = f" ({int(bad.sum())} of {value.size} elements)" if value.ndim else ""
    lines = [f"mode='debug': {node.op.name} made {what}{where}{count}"]
    for number, source in enumerate(node.inputs):
        lines.append(
            f"  operand {number}: {summary(values[source])}"
            + _here(values[source], index, value.ndim)
        )
    if culprit is not node:
        lines.append(
            f"  which became a NaN in {culprit.op.name}, "
            f"at {describe_site(culprit.site) or 'an unknown line'}"
        )
    text = message(
        "\n".join(lines),
        operands=tuple(i.type for i in node.inputs),
        line=describe_site(node.site),
        remedy="keep the operands within the domain of the op (clip them, or choose "
        "with sg.where before it); to go on: sg.config.flags(debug_nan='warn')",
    )
    return DebugError(text, part="value", node=node)


def _here(source: Array, index: tuple[int, ...], ndim: int) -> str:
    """The operand's element that meets the result's at `index`, where that is plain."""
    if not source.ndim or source.ndim > ndim or source.size == 1:
        return ""
    at = index[ndim - source.ndim :]
    sized = zip(at, source.shape, strict=True)
    place = tuple(0 if size == 1 else i for i, size in sized)
    if any(i >= size for i, size in zip(place, source.shape, strict=True)):
        return ""
    return f"; {source[place]!s} at {list(place)}"
