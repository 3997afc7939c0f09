"""Small kernels that keep conditions and the numbers of rounds on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .kernels import KernelCache, Launcher, Stream
from .stage import Argument, Role, Stage

#: What `failed` holds while no check has failed; else the number of the launch, then
#: 32 bits of the code.
NOTHING = int(np.iinfo(np.int64).max)
#: How many numbers of rounds are made at once, and by how many threads.
NUMBERS = 1024
_THREADS = 256

_BEGIN = f'''\
def begin_call(failed, counter):
    """No check has failed yet, and no block is done; 1 thread a block."""
    failed[0] = {NOTHING}
    counter[0] = 0
'''

_NUMBER = f'''\
from numba import cuda


def number_rounds(numbers, begin):
    """The numbers from `begin` on; {_THREADS} threads a block."""
    place = cuda.grid(1)
    if place < {NUMBERS}:
        numbers[place] = begin + place
'''

_BRANCH = '''\
def choose_branch(condition, first, second):
    """Which branch is on; 1 thread a block."""
    holds = condition[0]
    first[0] = holds
    second[0] = not holds
'''

_BRANCH_UNDER = '''\
def choose_branch_under(condition, first, second, on):
    """Which branch is on, if any; 1 thread a block."""
    holds = condition[0]
    first[0] = on[0] and holds
    second[0] = on[0] and not holds
'''

_ROUND = f'''\
def begin_round(going, failed, on, rounds, number):
    """Whether round `number` is run, and how many are; 1 thread a block."""
    holds = going[0] and failed[0] == {NOTHING}
    if number == 0:
        rounds[0] = 0
    elif not on[0]:
        holds = False
    if holds:
        rounds[0] = number + 1
    on[0] = holds
'''

_SIGNATURES = {
    "begin_call": (_BEGIN, "failed: int64[], counter: int32[]"),
    "number_rounds": (_NUMBER, "numbers: int64[], begin: int64"),
    "choose_branch": (_BRANCH, "condition: bool[], first: bool[], second: bool[]"),
    "choose_branch_under": (
        _BRANCH_UNDER,
        "condition: bool[], first: bool[], second: bool[], on: bool[]",
    ),
    "begin_round": (
        _ROUND,
        "going: bool[], failed: int64[], on: bool[], rounds: int64[], number: int64",
    ),
}


def helper_stages() -> dict[str, Stage]:
    """The kernels by name, in the form of any other."""
    return {name: _stage(name, *made) for name, made in _SIGNATURES.items()}


def _stage(name: str, text: str, signature: str) -> Stage:
    arguments = []
    for part in signature.split(", "):
        argument, _, kind = part.partition(": ")
        role: Role = "buffer" if kind.endswith("[]") else "size"
        dtype = kind.removesuffix("[]")
        arguments.append(Argument(argument, dtype, role, argument))
    threads = _THREADS if name == "number_rounds" else 1
    return Stage(name, text, tuple(arguments), threads)


@dataclass(frozen=True, slots=True)
class Helpers:
    """The kernels, ready to be launched on one stream."""

    begin_call: Launcher
    number_rounds: Launcher
    choose_branch: Launcher
    choose_branch_under: Launcher
    begin_round: Launcher


def helpers_on(cache: KernelCache, cuda: Any, stream: Stream) -> Helpers:
    """The kernels for a stream."""
    launchers = {}
    for name, stage in helper_stages().items():
        blocks = NUMBERS // _THREADS if name == "number_rounds" else 1
        launchers[name] = cache.launcher(cuda, stage, blocks, stream)
    return Helpers(**launchers)


__all__ = ["NOTHING", "NUMBERS", "Helpers", "helper_stages", "helpers_on"]
