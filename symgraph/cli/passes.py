"""``symgraph passes``: the pipeline, rule by rule."""

from __future__ import annotations

from .errors import reporting
from .options import Output, ReportFormat, TextOrJson, json_text, write


def passes(format: ReportFormat = TextOrJson.text, output: Output = None) -> None:
    """List the pipeline: each pass, its rules, and what they preserve."""
    from ..inspect.pipeline import pipeline_json, pipeline_text
    from ..passes import DEFAULT

    with reporting(False):
        if format is TextOrJson.json:
            write(json_text(pipeline_json(DEFAULT)), output)
        else:
            write(pipeline_text(DEFAULT), output)
