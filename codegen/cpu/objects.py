"""The object files of one function: as one string of bytes, and what they lack.

Together they are each object's length, eight bytes, and the object, in turn.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ..errors import LinkError

#: How an ELF object begins, and those of macOS and Windows, which only LLVM reads.
_ELF = b"\x7fELF"
_OTHERS = (b"\xcf\xfa\xed\xfe", b"\x64\x86", b"\x64\xaa")
_SYMBOL_TABLE, _NO_BITS = 2, 8  # section types
_LOCAL = 0  # symbol bindings
_LENGTH = struct.Struct("<Q")


def pack(objects: Sequence[bytes]) -> bytes:
    """Object files as one string of bytes."""
    return b"".join(_LENGTH.pack(len(each)) + each for each in objects)


def unpack(packed: bytes) -> list[bytes]:
    """The object files of `pack`, of which there is one at the least.

    Raises `LinkError` for other bytes.
    """
    objects: list[bytes] = []
    at = 0
    while at < len(packed) or not objects:
        start = at + _LENGTH.size
        if start > len(packed):
            raise LinkError("compiled code is damaged: it is cut short")
        at = start + _LENGTH.unpack_from(packed, at)[0]
        if at > len(packed):
            raise LinkError("compiled code is damaged: it is cut short")
        objects.append(packed[start:at])
    return objects


def undefined_symbols(objects: Sequence[bytes]) -> list[str]:
    """Names that ELF64 little-endian objects need from elsewhere.

    Empty for other formats (macOS, Windows), where LLVM reports them itself.  Raises
    `LinkError` for damaged bytes.
    """
    defined: set[str] = set()
    wanted: dict[str, None] = {}
    for each in objects:
        if each.startswith(_OTHERS):
            continue
        if not each.startswith(_ELF):
            raise LinkError("compiled code is no object file")
        try:
            own, lacking = _elf_symbols(each)
        except (struct.error, ValueError, IndexError) as error:
            raise LinkError(f"compiled code is damaged: {error}") from error
        defined |= own
        wanted |= dict.fromkeys(lacking)
    return [name for name in wanted if name not in defined]


def _elf_symbols(obj: bytes) -> tuple[set[str], list[str]]:
    """The names that an object gives to others, and those that it lacks.

    Layout: the System V ABI, chapter 4 (ELF header, section headers, symbol table).
    """
    if obj[4:6] != b"\x02\x01":
        raise LinkError("compiled code is for another kind of machine")
    start, size, count = (
        struct.unpack_from("<Q", obj, 40)[0],
        *struct.unpack_from("<HH", obj, 58),
    )
    # Section: name, type, flags, address, offset, size, link, info, alignment, entry.
    sections = [
        struct.unpack_from("<IIQQQQIIQQ", obj, start + i * size) for i in range(count)
    ]
    defined: set[str] = set()
    lacking: list[str] = []
    for section in sections:
        if section[1] != _NO_BITS and section[4] + section[5] > len(obj):
            raise LinkError("compiled code is damaged: it is cut short")
        if section[1] != _SYMBOL_TABLE:
            continue
        strings = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], 24):
            name, info, _, home = struct.unpack_from("<IBBH", obj, at)
            if not name or (home and info >> 4 == _LOCAL):
                continue  # the first symbol has no name; 0 is SHN_UNDEF
            end = obj.index(b"\0", strings + name)
            text = obj[strings + name : end].decode()
            if home:
                defined.add(text)
            else:
                lacking.append(text)
    return defined, lacking


__all__ = ["pack", "undefined_symbols", "unpack"]
