"""What is asked of CUDA itself."""


def getDeviceProperties(number: int) -> dict[str, bytes]:
    return {"name": b"a stand-in"}


def deviceSynchronize() -> None:
    pass
