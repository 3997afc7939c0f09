"""Arguments for a function to be timed with: random ones, of the inputs' types.

Named sizes, and those that no type says, are given by name or have a default.  An input
`x` whose second dimension nothing names has the size ``x.1``; the value of an integer
that says how large something is has the input's own name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .arguments import REQUIRED, Parameter
from .codegen.cost import read_scalars
from .dims import Dim
from .errors import IndexOutOfBoundsError, NotFoundError, message
from .inspect.cost import size_names
from .op import Array

if TYPE_CHECKING:
    from .compiler import Compilation

T = TypeVar("T")

#: What a size is unless it is given, and all arguments have so many elements at most.
DEFAULT, MOST_ELEMENTS = 256, 1 << 22
#: So many ranges of integers are tried, the widest first, until none is out of bounds.
MOST_RANGES = 12


class Samples:
    """Random arguments of the types of some parameters.

    Raises:
        NotFoundError: `given` names a size that there is none of.
    """

    def __init__(
        self,
        compilation: Compilation,
        parameters: Sequence[Parameter],
        given: Mapping[str, int],
        seed: int = 0,
    ) -> None:
        self._parameters = parameters
        self._seed = seed
        lowered = compilation.lowered
        self._names = size_names(lowered)
        program = lowered.program
        self._arrays = program.by_role("input")
        held = {array: size for size, array in read_scalars(program).items()}
        self._values = {
            k: self._names[held[a.name]]
            for k, a in enumerate(self._arrays)
            if a.name in held
        }
        known = sorted(set(self._names.values()))
        for name in given:
            if name not in known:
                shown = ", ".join(known) or "none: all of them are known"
                text = message(
                    f"{compilation.name} has no size {name!r}",
                    remedy=f"its sizes are: {shown}",
                )
                raise NotFoundError(text)
        self._given = dict(given)
        self._fixed = self._sizes_of_shared(compilation)
        for name, size in given.items():
            if self._fixed.get(name, size) != size:
                text = message(
                    f"the size {name} is not {size}: a shared variable has it, "
                    f"of {self._fixed[name]}",
                    remedy="change its value, or leave the size out",
                )
                raise NotFoundError(text)
        self.default = self._default()

    def _sizes_of_shared(self, compilation: Compilation) -> dict[str, int]:
        """Sizes that shared variables decide."""
        found: dict[str, int] = {}
        arrays = compilation.lowered.program.by_role("shared")
        for array, leaf in zip(arrays, compilation.request.shared, strict=True):
            shape = leaf.op.storage.box[0].shape  # type: ignore[attr-defined]
            for extent, size in zip(array.outer_shape, shape, strict=True):
                if isinstance(extent, str):
                    found[self._names[extent]] = size
        return found

    def _shape(self, number: int, default: int) -> tuple[int, ...]:
        return tuple(
            e if isinstance(e, int) else self._size(self._names[e], default)
            for e in self._arrays[number].outer_shape
        )

    def _size(self, name: str, default: int) -> int:
        return self._given.get(name, self._fixed.get(name, default))

    def _default(self) -> int:
        """A size with which the arguments are not too large together."""
        size = DEFAULT
        while size > 2:
            shapes = (self._shape(k, size) for k in range(len(self._arrays)))
            if sum(int(np.prod(s, dtype=np.float64)) for s in shapes) <= MOST_ELEMENTS:
                break
            size //= 2
        return size

    def ranges(self) -> Iterator[list[Array]]:
        """Arguments whose integers are less than some size, the largest size first.

        What takes integers as places in an array refuses the wide ranges.
        """
        shapes = [self._shape(k, self.default) for k in range(len(self._arrays))]
        sizes = {size for shape in shapes for size in shape if size > 0}
        sizes |= {s for s in self._fixed.values() if s > 0}
        sizes |= self._declared
        whole = any(np.dtype(p.node.type.dtype).kind in "iu" for p in self._parameters)
        limits = sorted({*sizes, 1, 2}, reverse=True)
        if len(limits) > MOST_RANGES:
            limits = [*limits[: MOST_RANGES - 1], 1]
        for limit in limits if whole else limits[:1]:
            random = np.random.default_rng(self._seed)
            yield [
                self._argument(k, shapes[k], limit, random) for k in range(len(shapes))
            ]

    @property
    def _declared(self) -> set[int]:
        dims = itertools.chain(*(p.node.type.dims for p in self._parameters))
        return {d for d in dims if not isinstance(d, Dim) and d > 0}

    def _argument(
        self, number: int, shape: tuple[int, ...], limit: int, random: Any
    ) -> Array:
        parameter = self._parameters[number]
        dtype = np.dtype(parameter.node.type.dtype)
        if parameter.default is not REQUIRED:
            return np.asarray(parameter.default)
        if number in self._values:
            return np.array(self._size(self._values[number], self.default), dtype)
        match dtype.kind:
            case "b":
                return np.asarray(random.integers(0, 2, shape)).astype(dtype)
            case "i" | "u":
                top = min(limit, int(np.iinfo(dtype).max))
                return np.asarray(random.integers(0, top, shape)).astype(dtype)
            case "c":
                parts = random.uniform(size=(2, *shape))
                return np.asarray(parts[0] + 1j * parts[1]).astype(dtype)
        return np.asarray(random.uniform(size=shape)).astype(dtype)


def fitting(samples: Samples, attempt: Callable[[list[Array]], T]) -> T:
    """What `attempt` makes of the first arguments in which nothing is out of bounds.

    Raises:
        SymgraphError: what `attempt` raises otherwise, or for all of them.
    """
    failure: IndexOutOfBoundsError | None = None
    for arguments in samples.ranges():
        try:
            return attempt(arguments)
        except IndexOutOfBoundsError as error:
            failure = error
    assert failure is not None
    raise failure


__all__ = ["Samples", "fitting"]
