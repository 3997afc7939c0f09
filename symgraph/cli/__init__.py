"""The command line: ``symgraph demo``, ``dump``, ``passes``, ``cache`` and so on.

One command a file, each a function that :mod:`symgraph.cli.app` puts together.

Exit codes: 0 done, 1 the target's own error, 2 the command line is at fault.  An error
is one line on stderr and a remedy.  What a command needs is imported when it runs, so
that ``symgraph --help`` does not wait for a compiler.
"""

from .app import app as app
