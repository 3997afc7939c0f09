"""One small expression through every stage: as written, rewritten, as loops, in memory.

``symgraph dump examples/first_look.py:probabilities --stage loops`` shows the same from
the command line; ``symgraph passes`` lists the rules.
"""

from __future__ import annotations

import numpy as np

import symgraph as sg
from symgraph.inspect.program_form import memory_text
from symgraph.inspect.text import graph_text

x = sg.matrix("x", "float32", ("rows", "columns"))
scores = sg.log(sg.exp(x) * 1)
probabilities = sg.special.softmax(scores - sg.mean(x), axis=1)


def main() -> None:
    f = sg.function([x], probabilities, name="probabilities")
    rows = f(np.arange(6, dtype=np.float32).reshape(2, 3))
    print(np.round(rows, 4))

    print("\n-- as written")
    print(graph_text(f.graph), end="")
    print("\n-- what the rules did")
    for record in f.trace:
        print(f"{record.phase}: {record.rule.doc.splitlines()[0]}")
    print("\n-- rewritten")
    print(graph_text(f.optimized), end="")
    print("\n-- loops")
    print(f.source("loops"), end="")
    print("\n-- memory")
    print(memory_text(f.program), end="")
    print(f"\n{f.report.kernels} kernels, {f.report.library_calls} library calls")


if __name__ == "__main__":
    main()
