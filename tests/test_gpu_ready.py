"""What ``make gpu`` says where something is missing, and where nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from .gpu_ready import ready


class Driver:
    """A driver that finds so many GPUs, for a version of CUDA."""

    def __init__(
        self, code: int, count: int, version: int, capability: tuple[int, int] = (9, 0)
    ) -> None:
        self.code, self.count, self.version = code, count, version
        self.capability = capability

    def cuInit(self, _: int) -> int:
        return self.code

    def cuDeviceGetCount(self, held: Any) -> int:
        held._obj.value = self.count
        return 0

    def cuDriverGetVersion(self, held: Any) -> int:
        held._obj.value = self.version
        return 0

    def cuDeviceGetAttribute(self, held: Any, attribute: int, number: int) -> int:
        held._obj.value = self.capability[attribute - 75]
        return 0

    def cuDeviceGetName(self, held: Any, size: int, number: int) -> int:
        held.value = b"A GPU"
        return 0


@pytest.mark.parametrize(
    ("driver", "good", "said"),
    [
        (None, False, "no NVIDIA driver is installed"),
        (Driver(100, 0, 13000), False, "finds no GPU that it can use (error 100)"),
        (Driver(0, 0, 13000), False, "there is no GPU"),
        (Driver(0, 1, 12080), False, "knows CUDA 12.8 only"),
        (Driver(0, 1, 13000, (7, 0)), False, "of compute capability 7.0: 7.5 or newer"),
        (Driver(0, 1, 13000, (7, 5)), True, "A GPU, of compute capability 7.5"),
        (Driver(0, 1, 13010), True, "driver for CUDA 13.1"),
    ],
)
def test_what_is_said(driver: Driver | None, good: bool, said: str) -> None:
    def load(_: str) -> Driver:
        if driver is None:
            raise OSError
        return driver

    found, words = ready(load)
    assert found == good and said in words
