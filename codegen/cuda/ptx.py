"""What is in a kernel's PTX: its loops, and what should or should not be there.

Each check gives the instructions at fault, so that an empty list is a pass.  PTX is
read as far as that needs: instructions, labels and branches, registers by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Instructions that end a block without going on to the next one.
ENDS = frozenset({"ret", "exit", "trap"})


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: where it stands, its `opcode` with all that is appended to it.

    `written` is the register that it defines first, if it is one, and `read` are the
    other registers in it; `guard` is the predicate under which it runs.
    """

    line: int
    opcode: str
    operands: str
    guard: str = ""

    @property
    def name(self) -> str:
        """The operation alone, as ``ld`` of ``ld.global.v4.f32``."""
        return self.opcode.partition(".")[0]

    @property
    def written(self) -> str:
        """The register written, or "" for stores, branches and the like."""
        first = self.operands.partition(",")[0].strip()
        stores = self.name in ("st", "bra", "bar", "red", "ret", "call")
        return first if first.startswith("%") and not stores else ""

    @property
    def read(self) -> tuple[str, ...]:
        """The registers that it reads."""
        rest = self.operands
        if self.written:
            rest = rest.partition(",")[2]
        return tuple(re.findall(r"%\w+", rest))

    def __str__(self) -> str:
        return f"{self.line}: {self.opcode} {self.operands}".rstrip()


@dataclass(frozen=True, slots=True)
class Block:
    """Instructions that run one after another, and the numbers of the blocks behind."""

    instructions: tuple[Instruction, ...]
    followers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cycle:
    """A natural loop: the number of its first block, and those of all its blocks."""

    header: int
    blocks: frozenset[int]


def blocks(ptx: str) -> tuple[Block, ...]:
    """The basic blocks of all kernels in `ptx`, in the order of the text."""
    pieces: list[list[Instruction]] = [[]]
    labels: dict[str, int] = {}
    closes = False
    for line, text in _lines(ptx):
        label = re.fullmatch(r"(\$?\w+):", text)
        if label or closes:
            if pieces[-1]:
                pieces.append([])
            closes = False
        if label:
            labels[label.group(1)] = len(pieces) - 1
            continue
        instruction = _instruction(line, text)
        if instruction is None:
            continue
        pieces[-1].append(instruction)
        closes = instruction.name == "bra" or instruction.name in ENDS
    return tuple(
        Block(tuple(piece), _followers(piece, number, labels, len(pieces)))
        for number, piece in enumerate(pieces)
    )


def _lines(ptx: str) -> Iterator[tuple[int, str]]:
    """The numbered lines inside of functions' braces, without comments."""
    depth = 0
    for number, raw in enumerate(ptx.splitlines(), start=1):
        text = raw.partition("//")[0].strip()
        if depth and text not in ("", "{", "}"):
            yield number, text
        # Operands have balanced braces on one line.
        depth += text.count("{") - text.count("}")


def _instruction(line: int, text: str) -> Instruction | None:
    """An instruction; None for a directive."""
    found = re.fullmatch(r"(?:@(!?%\w+)\s+)?([a-z][\w.:]*)\s*(.*?);", text)
    if found is None:
        return None
    guard, opcode, operands = found.groups()
    return Instruction(line, opcode, operands.strip(), guard or "")


def _followers(
    piece: Sequence[Instruction], number: int, labels: dict[str, int], count: int
) -> tuple[int, ...]:
    last = piece[-1] if piece else None
    found = []
    if last is not None and last.name == "bra":
        found.append(labels[last.operands.strip()])
    ends = last is not None and (last.name == "bra" or last.name in ENDS)
    goes_on = not ends or (last is not None and bool(last.guard))
    if goes_on and number + 1 < count:
        found.append(number + 1)
    return tuple(found)


def cycles(graph: Sequence[Block]) -> tuple[Cycle, ...]:
    """The loops of a kernel, found by their backward branches.

    A branch goes backward if its target *dominates* it, that is, stands on all ways
    there; the loop is all that leads to the branch without the target (Aho, Lam, Sethi
    and Ullman, "Compilers", 2007, section 9.6).
    """
    dominators = _dominators(graph)
    before: dict[int, list[int]] = {n: [] for n in range(len(graph))}
    for number, block in enumerate(graph):
        for follower in block.followers:
            before[follower].append(number)
    found: dict[int, set[int]] = {}
    for number, block in enumerate(graph):
        for header in block.followers:
            if header not in dominators[number]:
                continue
            inside = found.setdefault(header, {header})
            pending = [number]
            while pending:
                at = pending.pop()
                if at not in inside:
                    inside.add(at)
                    pending.extend(before[at])
    return tuple(Cycle(header, frozenset(b)) for header, b in sorted(found.items()))


def _dominators(graph: Sequence[Block]) -> list[set[int]]:
    """For each block, those that stand on every way to it; all, where there is none."""
    everything = set(range(len(graph)))
    found = [{0}, *(set(everything) for _ in graph[1:])]
    before: list[list[int]] = [[] for _ in graph]
    for number, block in enumerate(graph):
        for follower in block.followers:
            before[follower].append(number)
    changes = True
    while changes:
        changes = False
        for number in range(1, len(graph)):
            ways = [found[b] for b in before[number]]
            now = (set.intersection(*ways) if ways else set()) | {number}
            if now != found[number]:
                found[number], changes = now, True
    return found


def instructions(ptx: str) -> list[Instruction]:
    """All instructions, in order."""
    return [i for block in blocks(ptx) for i in block.instructions]


# What should not be there


def float64_arithmetic(ptx: str) -> list[Instruction]:
    """Instructions that compute in float64, or convert to it or from it.

    In a kernel none of whose buffers is float64 there should be none.
    """
    moves = ("ld", "st", "mov", "selp")
    return [i for i in instructions(ptx) if ".f64" in i.opcode and i.name not in moves]


def local_memory(ptx: str) -> list[str]:
    """Accesses to local memory, and what is reserved there, as text."""
    found = [str(i) for i in instructions(ptx) if ".local" in i.opcode]
    for number, line in enumerate(ptx.splitlines(), start=1):
        if re.match(r"\s*\.local\b", line):
            found.append(f"{number}: {line.strip()}")
    return found


def integer_divisions(ptx: str, *, innermost: bool = False) -> list[Instruction]:
    """Divisions and remainders of integers in loops, or in innermost loops alone."""
    graph = blocks(ptx)
    found = cycles(graph)
    if innermost:
        found = tuple(c for c in found if not _holds_another(c, found))
    inside = sorted({number for cycle in found for number in cycle.blocks})
    return [
        i
        for number in inside
        for i in graph[number].instructions
        if i.name in ("div", "rem") and re.search(r"\.[su]\d+$", i.opcode)
    ]


def _holds_another(cycle: Cycle, others: Sequence[Cycle]) -> bool:
    return any(o.blocks < cycle.blocks for o in others)


def unfused(ptx: str) -> list[Instruction]:
    """Multiplications of floats that cannot be fused with the additions behind them.

    They are those whose result goes into additions alone, where the multiplication or
    an addition asks for a rounding of its own, as ``.rn``.  Without that the assembler
    fuses what libNVVM has left (PTX ISA, on ``mul`` and ``add`` of floats).
    """
    everything = instructions(ptx)
    readers: dict[str, list[Instruction]] = {}
    for i in everything:
        for register in i.read:
            readers.setdefault(register, []).append(i)
    found = []
    for i in everything:
        if i.name != "mul" or not re.search(r"\.f(32|64)$", i.opcode):
            continue
        users = readers.get(i.written, [])
        rounded = any(".rn" in each.opcode for each in (i, *users))
        if users and rounded and all(_adds(user) for user in users):
            found.append(i)
    return found


def _adds(user: Instruction) -> bool:
    return user.name in ("add", "sub") and bool(re.search(r"\.f(32|64)$", user.opcode))


# What should be there


def fused(ptx: str) -> list[Instruction]:
    """The fused multiply-adds."""
    return [i for i in instructions(ptx) if i.name == "fma"]


def shuffles(ptx: str) -> list[Instruction]:
    """The instructions by which the threads of a warp hand values to one another."""
    return [i for i in instructions(ptx) if i.opcode.startswith("shfl.sync.")]


def shared_loads(ptx: str) -> list[Instruction]:
    """Loads from the memory of a block."""
    return [i for i in instructions(ptx) if i.name == "ld" and ".shared" in i.opcode]


def shared_stores(ptx: str) -> list[Instruction]:
    """Stores to the memory of a block."""
    return [i for i in instructions(ptx) if i.name == "st" and ".shared" in i.opcode]


def barriers(ptx: str) -> list[Instruction]:
    """The instructions at which the threads of a block wait for one another."""
    waits = ("bar.sync", "barrier.sync")
    return [i for i in instructions(ptx) if i.opcode.startswith(waits)]


def vector_loads(ptx: str) -> list[Instruction]:
    """Loads of two or four elements of global memory at once."""
    return [i for i in instructions(ptx) if _moves_vectors(i, "ld")]


def vector_stores(ptx: str) -> list[Instruction]:
    """Stores of two or four elements of global memory at once."""
    return [i for i in instructions(ptx) if _moves_vectors(i, "st")]


def _moves_vectors(i: Instruction, name: str) -> bool:
    return i.name == name and bool(re.search(r"\.global\b.*\.v[248]\b", i.opcode))
