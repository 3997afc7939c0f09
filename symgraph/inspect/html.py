"""The explorer as one HTML file, which asks no network for anything."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

#: Characters that mean something to HTML, or end a line of JavaScript.
_ESCAPED = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}

_STYLE = (
    "html,body{height:100%;margin:0}"
    "#symgraph-explorer{height:100vh;height:100dvh}"
    "noscript{font:16px system-ui,sans-serif;display:block;padding:2em}"
)

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<div id="symgraph-explorer"></div>
<noscript>This page draws a graph, which takes JavaScript.</noscript>
<script type="application/json" id="symgraph-data">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def explorer_script() -> str:
    """The explorer's program, for pages and notebooks."""
    held = files(__package__) / "web" / "explorer.js"
    return held.read_text(encoding="utf-8")


def embedded(data: Mapping[str, Any]) -> str:
    """`data` as JSON that can stand in a script element, whatever its strings hold."""
    return json.dumps(data, separators=(",", ":")).translate(_ESCAPED)


def explorer_page(data: Mapping[str, Any]) -> str:
    """The page that shows `data`, of `explorer_data`.

    Its policy allows this very script and style and nothing else, so that a name that
    is markup stays a name, and nothing is asked of the network.
    """
    script = explorer_script()
    allowed = {
        "default-src": "'none'",
        "script-src": f"{_digest(script)} blob:",
        "style-src": _digest(_STYLE),
        "worker-src": "blob:",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return _PAGE.format(
        policy="; ".join(f"{what} {where}" for what, where in allowed.items()),
        title=html.escape(f"{data['name']} - symgraph"),
        style=_STYLE,
        data=embedded(data),
        script=script,
    )


def _digest(text: str) -> str:
    found = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(found).decode()}'"


__all__ = ["embedded", "explorer_page", "explorer_script"]
