"""What makes a function show itself: as HTML, and in the explorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..function import Spec


class Explored:
    """A function's part that shows what the compiler did with it."""

    _spec: Spec

    def explored(self, off: Sequence[str] = ()) -> dict[str, Any]:
        """What the explorer shows, with some passes and rules `off`, as plain data.

        The pipeline is run anew; `symgraph.inspect.explorer` has the schema.

        Raises:
            SymgraphError: there is no such pass or rule.
        """
        from .explorer import explorer_data

        mode, shown = self._spec.mode, self
        if off:
            mode = replace(
                mode, pipeline=mode.pipeline.excluding(*off), target="interpret"
            )
            shown = type(self)(replace(self._spec, mode=mode))  # type: ignore[call-arg]
        names = {p.node: p.name for p in self._spec.parameters if p.name}
        return explorer_data(
            shown.compilation,  # type: ignore[attr-defined]
            shown.cost(),  # type: ignore[attr-defined]
            names=names,
            pipeline=self._spec.mode.pipeline,
        )

    def explore(self, height: int | None = None) -> Any:
        """The explorer in a notebook; see `symgraph.explore`."""
        from .widget import HEIGHT, explorer_widget

        return explorer_widget(self.explored, height or HEIGHT)

    def _repr_html_(self) -> str:
        from .static_html import function_html

        parameters = (f"{p.name or '_'}: {p.node.type}" for p in self._spec.parameters)
        signature = f"({', '.join(parameters)})"
        return function_html(self.compilation, signature)  # type: ignore[attr-defined]


__all__ = ["Explored"]
