"""What makes a function show itself: as HTML, and in the explorer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .callable import Function, Spec
    from .measured import Measured


class Explored:
    """A function's part that shows what the compiler did with it."""

    _spec: Spec

    def explored(
        self,
        off: Sequence[str] = (),
        measure: Callable[[Function], Measured] | None = None,
    ) -> dict[str, Any]:
        """What the explorer shows, with some passes and rules `off`, as plain data.

        The pipeline is run anew; `symgraph.inspect.explorer` has the schema.  `measure`
        calls the function, for the times and values that are shown then.

        Raises:
            SymgraphError: there is no such pass or rule, or calling it failed.
        """
        from .inspect.explorer import explorer_data

        mode, shown = self._spec.mode, self
        if off:
            target = mode.target if measure else "interpret"
            pipeline = mode.pipeline.excluding(*off)
            mode = replace(mode, pipeline=pipeline, target=target)
            where = self._spec.device if measure else "cpu"
            spec = replace(self._spec, mode=mode, device=where)
            shown = type(self)(spec)  # type: ignore[call-arg]
        names = {p.node: p.name for p in self._spec.parameters if p.name}
        return explorer_data(
            shown.compilation,  # type: ignore[attr-defined]
            shown._estimated((), {}),  # type: ignore[attr-defined]
            names=names,
            pipeline=self._spec.mode.pipeline,
            measured=measure(shown) if measure else None,  # type: ignore[arg-type]
        )

    def explore(self, /, *args: Any, height: int | None = None, **kwargs: Any) -> Any:
        """The explorer in a notebook; see `symgraph.explore`."""
        from .inspect.widget import HEIGHT, explorer_widget
        from .measured import measured

        def documents(off: Sequence[str]) -> dict[str, Any]:
            if not (args or kwargs):
                return self.explored(off)
            return self.explored(off, lambda f: measured(f, args, kwargs))

        return explorer_widget(documents, height or HEIGHT)

    def _repr_html_(self) -> str:
        from .inspect.static_html import function_html

        parameters = (f"{p.name or '_'}: {p.node.type}" for p in self._spec.parameters)
        signature = f"({', '.join(parameters)})"
        return function_html(self.compilation, signature)  # type: ignore[attr-defined]


__all__ = ["Explored"]
