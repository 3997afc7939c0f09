"""The schemas of what commands write as JSON, as the modules document them."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MAYBE: Schema = {"type": ["string", "null"]}
AMOUNT: Schema = {"type": ["integer", "string"]}
KEEPS: Schema = {"enum": ["exact", "rounding", "special_values"]}


def array(items: Schema) -> Schema:
    """A list of `items`."""
    return {"type": "array", "items": items}


def record(**fields: Schema) -> Schema:
    """An object with exactly these fields, but for those that end with "_"."""
    wanted = {name.rstrip("_"): field for name, field in fields.items()}
    return {
        "type": "object",
        "properties": wanted,
        "required": [name for name in fields if not name.endswith("_")],
        "additionalProperties": False,
    }


def document(title: str, /, **fields: Schema) -> Schema:
    """The schema called ``symgraph.TITLE``, version 1."""
    head = {"schema": {"const": f"symgraph.{title}"}, "version": {"const": 1}}
    return record(**head, **fields)


NUMBERS = array(COUNT)
TEXTS = array(TEXT)
SIZES = array(AMOUNT)
NODE = {
    "id": COUNT,
    "op": TEXT,
    "inputs": NUMBERS,
    "dtype": TEXT,
    "shape": SIZES,
    "parameters_": {"type": "object"},
    "site_": TEXT,
    "label_": MAYBE,
    "value_": {"type": "array"},
}
STEP = {
    "phase": TEXT,
    "rule": MAYBE,
    "preserves": KEEPS,
    "doc": TEXT,
    "before": TEXT,
    "after": TEXT,
    "where": {"type": "object", "additionalProperties": TEXT},
    "scope": TEXTS,
    "nodes": NUMBERS,
}
RULE = record(name=TEXT, preserves=KEEPS, doc=TEXT, more=TEXT, file=TEXT, line=COUNT)
NAMED = array(record(id=COUNT, name=MAYBE))
MISS = record(
    phase=TEXT,
    kind={
        "enum": [
            *("op", "parameters", "operands", "constant", "same"),
            *("dtype", "guard", "first", "excluded"),
        ]
    },
    matched=COUNT,
    parts=COUNT,
    expression=TEXT,
    scope=TEXTS,
    lines=TEXTS,
    reason=TEXT,
)

COUNTS = {"type": "array", "items": COUNT, "minItems": 2, "maxItems": 2}
AMOUNTS = {"type": "array", "items": AMOUNT, "minItems": 2, "maxItems": 2}
CHANGED = {"type": "object", "additionalProperties": COUNTS}
COST = {
    "work": AMOUNT,
    "flops": AMOUNT,
    "bytes_read": AMOUNT,
    "bytes_written": AMOUNT,
}
COSTED = record(
    number=COUNT, name=TEXT, kind={"enum": ["kernel", "product", "call"]}, **COST
)

RATE: Schema = {"type": "number", "minimum": 0}
MAYBE_RATE: Schema = {"type": ["number", "null"], "minimum": 0}
STEP_TIME = record(
    number={"type": ["integer", "null"]},
    depth=COUNT,
    kind={"enum": ["kernel", "product", "call", "rounds", "choice"]},
    name=TEXT,
    seconds=RATE,
    share=RATE,
    runs=RATE,
    rounds=MAYBE_RATE,
    work=RATE,
    flops=RATE,
    bytes_read=RATE,
    bytes_written=RATE,
    live=COUNT,
    roof=MAYBE_RATE,
    bytes_per_second=MAYBE_RATE,
    flops_per_second=MAYBE_RATE,
)
TIMES = {"type": "object", "additionalProperties": RATE}
ROOFLINE = record(
    cpu=TEXT,
    threads=COUNT,
    levels=array(record(name=TEXT, size=COUNT, read=RATE, both=RATE)),
    peaks=TIMES,
)

SCHEMAS: dict[str, Schema] = {
    "profile": document(
        "profile",
        name=TEXT,
        versions=array(
            record(
                version={"enum": ["fast", "generic"]},
                from_cache={"type": "boolean"},
                rewrite=TIMES,
                lower=RATE,
                codegen=RATE,
                llvm=RATE,
                load=RATE,
                link=RATE,
            )
        ),
        run={
            "anyOf": [
                {"type": "null"},
                record(
                    version={"enum": ["fast", "generic"]},
                    sizes={"type": "object", "additionalProperties": COUNT},
                    calls=COUNT,
                    seconds=RATE,
                    native=RATE,
                    clock=RATE,
                    steps=array(STEP_TIME),
                    memory=record(arena=COUNT, peak=COUNT, output=COUNT),
                ),
            ]
        },
        roofline={"anyOf": [{"type": "null"}, ROOFLINE]},
    ),
    "diff": document(
        "diff",
        names=array(TEXT),
        same={"type": "boolean"},
        sizes={"type": "object", "additionalProperties": COUNT},
        nodes=record(total=COUNTS, ops=CHANGED),
        rules=CHANGED,
        steps=record(
            total=COUNTS, kept=COUNT, removed=array(COSTED), added=array(COSTED)
        ),
        cost=record(**dict.fromkeys([*COST, "arena", "output"], AMOUNTS)),
        memory=record(temporaries=COUNTS, slots=COUNTS),
        graph=TEXTS,
    ),
    "explain": document(
        "explain",
        name=TEXT,
        rule=MAYBE,
        node={"type": ["integer", "null"]},
        line=MAYBE,
        total=COUNT,
        steps=array(record(number=COUNT, lines=TEXTS, **STEP)),
    ),
    "why_not": document(
        "why_not",
        name=TEXT,
        rule=TEXT,
        doc=TEXT,
        passes=TEXTS,
        excluded=TEXTS,
        fired=NUMBERS,
        misses=array(MISS),
    ),
    "provenance": document(
        "provenance",
        name=TEXT,
        lines=array(
            record(
                file=TEXT,
                line=COUNT,
                text=TEXT,
                written=NUMBERS,
                nodes=NUMBERS,
                steps=NUMBERS,
                kernels=NUMBERS,
                bytes_read=AMOUNT,
                bytes_written=AMOUNT,
            )
        ),
        written=array(
            record(
                id=COUNT,
                scope={"type": ["integer", "null"]},
                lines=NUMBERS,
                nodes=NUMBERS,
            )
        ),
        nodes=array(
            record(
                id=COUNT,
                scope={"type": ["integer", "null"]},
                lines=NUMBERS,
                written=NUMBERS,
                steps=NUMBERS,
                kernels=NUMBERS,
            )
        ),
        steps=array(record(lines=NUMBERS, **STEP)),
        kernels=array(
            record(
                kind={"enum": ["kernel", "product", "call", "control"]},
                name=TEXT,
                stores=NUMBERS,
                inlines=NUMBERS,
                lines=NUMBERS,
                reads=TEXTS,
                writes=TEXTS,
                bytes_read=AMOUNT,
                bytes_written=AMOUNT,
            )
        ),
    ),
    "fused": document(
        "fused",
        name=TEXT,
        arguments=array(record(**NODE)),
        groups=array(
            record(
                number=COUNT,
                kind={"enum": ["kernel", "whole"]},
                scope={"type": ["integer", "null"]},
                rows=SIZES,
                inner=SIZES,
                steps=NUMBERS,
                reads=NUMBERS,
                stores=NUMBERS,
                nodes=array(
                    record(**NODE, stored={"type": "boolean"}, optimized=NUMBERS)
                ),
            )
        ),
    ),
    "graph": document(
        "graph", nodes=array(record(**NODE)), inputs=NAMED, outputs=NAMED
    ),
    "passes": document(
        "passes",
        passes=array(record(name=TEXT, doc=TEXT, preserves=MAYBE, rules=array(RULE))),
    ),
    "cache": document(
        "cache",
        directory=TEXT,
        functions=COUNT,
        bytes=COUNT,
        on={"type": "boolean"},
        reason=MAYBE,
    ),
}
