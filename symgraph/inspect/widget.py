"""The explorer in a notebook: a widget that runs the pipeline again when asked to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import SymgraphError, UnsupportedError, refuse
from .html import explorer_script

#: Makes the document with some passes and rules left out, by name.
Documents = Callable[[Sequence[str]], dict[str, Any]]

#: Pixels.
HEIGHT = 640


def explorer_widget(documents: Documents, height: int = HEIGHT) -> Any:
    """A widget that shows ``documents(())``, and others as the user switches.

    Its traits: `document`, the JSON of `explorer_data`; `off`, the passes and rules
    that are left out; `error`, what was wrong with that; `height`, in pixels.

    Raises:
        UnsupportedError: anywidget is not installed.
    """
    try:
        import anywidget
        import traitlets
    except ImportError:
        refuse(
            UnsupportedError,
            "the explorer in a notebook needs anywidget, which is not installed",
            remedy="pip install 'symgraph-compiler[notebook]'; or write a page: "
            "symgraph dump TARGET --format html -o page.html",
        )

    class Explorer(anywidget.AnyWidget):
        """The explorer of one function."""

        _esm = explorer_script()
        document = traitlets.Unicode().tag(sync=True)
        off = traitlets.List(traitlets.Unicode()).tag(sync=True)
        error = traitlets.Unicode().tag(sync=True)
        height = traitlets.Int(HEIGHT).tag(sync=True)

        @traitlets.observe("off")
        def _again(self, change: Any) -> None:
            try:
                made = json.dumps(documents(list(change["new"])), separators=(",", ":"))
            except SymgraphError as error:
                self.error = ""  # so that the same error is told again
                self.error = str(error)
                return
            with self.hold_trait_notifications():
                self.error = ""
                self.document = made

    first = json.dumps(documents(()), separators=(",", ":"))
    return Explorer(document=first, height=height)


__all__ = ["explorer_widget"]
