"""Programs as machine code, apart from any function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from ..codegen.program import HostFunction, Program
from ..compiler import Compiled, host, link
from ..op import Array


class Declined(Exception):
    """Native code does not take the arguments."""


class Failed(Exception):
    """A check failed in native code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Native:
    """A program as machine code, over storage of its own for shared variables."""

    def __init__(
        self,
        program: Program,
        constants: Sequence[Array],
        functions: Sequence[HostFunction] = (),
    ) -> None:
        from ..codegen.cpu.build import build

        self.program = program
        self._boxes: list[list[Any]] = [[None] for _ in program.by_role("shared")]
        # Never from the cache on disk: what is looked for may be in the compiler.
        code = build(program, host())
        held = tuple(constants), tuple(functions)
        compiled = Compiled(code, held[0], None, False, held[1])  # type: ignore[arg-type]
        self._entry = link(compiled, self._boxes, _decline, _fail, program.name).entry

    def __call__(self, named: dict[str, Array]) -> dict[str, Array]:
        """The arrays that the program returns, and those of updates, by name.

        Raises:
            Declined, Failed: the arguments do not fit; a check failed.
        """
        program = self.program
        shared = [a.name for a in program.by_role("shared")]
        for box, name in zip(self._boxes, shared, strict=True):
            box[0] = np.array(named[name])
        given = [named[a.name] for a in program.by_role("input")]
        result = self._entry(*given)
        results = list(result) if len(program.results) != 1 else [result]
        made = dict(zip(program.results, map(np.asarray, results), strict=True))
        after = {n: box[0] for n, box in zip(shared, self._boxes, strict=True)}
        for array in program.by_role("update"):
            made[array.name] = after[str(array.target)]
        return made


def _decline(*args: Any, **kwargs: Any) -> NoReturn:
    raise Declined


def _fail(number: int) -> NoReturn:
    from ..codegen.cpu.link import failure

    raise Failed(failure(number)[0])
