"""An independent kernel compiler: loop IR in, callables out.

It knows nothing of expressions, graphs or gradients and never imports the package
around it.  In reading order:

- `ir`         the loop IR on one page: kernels, statements, scalar primitives
- `program`    kernels and library calls in order, and the arrays they share
- `text`       the text form of both, which parses back; `cursor` reads its tokens
- `check`      scopes and dtypes; with `access`, bounds and races
- `interpret`  the slow, obvious oracle for every target
- `expand`     exp, log, tanh, ... as expansions into primitives
- `schedule`   what is done to a kernel: `tiles` for transposed access, hoisting,
               collapsing of loops; and what a chunk of a loop costs
- `columns`    reductions down the columns of a matrix, in blocks of rows
- `names`, `ranges`  what both need: who reads what, and parts of loops
- `cpu`        native code through llvmlite, and the threads that share it
- `cuda`       readable numba-cuda Python (`plan`, `source`, `launch`), PTX and machine
               code (`assemble`, `report`), and a checker of races
- `cache`      compiled code on disk

Import the module that is needed; this one imports nothing, so that it costs nothing.
"""

if __name__ == "codegen":
    raise ImportError(
        "this package is imported as 'symgraph.codegen'; the name 'codegen' was found "
        "because the source tree is on sys.path: use 'import symgraph.codegen'"
    )
