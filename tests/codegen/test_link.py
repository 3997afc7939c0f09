"""Linking: symbols, damaged objects, lifetimes, copies, and the warm path's imports."""

from __future__ import annotations

import gc
import struct
import subprocess
import sys
import textwrap
import weakref
from pathlib import Path

import numpy as np
import pytest

from symgraph.codegen.cpu import host as hosts
from symgraph.codegen.cpu.compile import compile_module
from symgraph.codegen.cpu.link import NativeFunction, link, load
from symgraph.codegen.cpu.objects import pack, undefined_symbols, unpack
from symgraph.codegen.errors import LinkError

from .native import (
    Failed,
    binary,
    chain,
    compiled,
    counter,
    decline,
    fail,
    make,
    matmul,
)

ROOT = Path(__file__).resolve().parents[2]


def compile_text(text: str) -> bytes:
    return pack([compile_module(text, hosts.detect())])


def test_a_program_needs_few_symbols_and_none_of_ours():
    needed = set(undefined_symbols(unpack(compiled(chain(3)))))
    assert needed <= {"memcpy", "memset", "memmove"}


def test_the_symbols_of_an_object_are_found():
    text = """
    declare double @fmod(double, double)
    declare void @nowhere_to_be_found()
    define double @f(double %x) {
      call void @nowhere_to_be_found()
      %y = call double @fmod(double %x, double 2.0)
      ret double %y
    }
    """
    obj = compile_text(text)
    assert sorted(undefined_symbols(unpack(obj))) == ["fmod", "nowhere_to_be_found"]
    with pytest.raises(LinkError, match="nowhere_to_be_found"):
        load(obj)


def test_an_object_of_another_program_is_refused():
    with pytest.raises(LinkError, match="lacks its entry"):
        load(compile_text("define void @f() {\n  ret void\n}"))


def test_another_layout_is_refused():
    parts = [
        "@layout = constant [5 x i64] [i64 999, i64 0, i64 0, i64 0, i64 0]",
        "define ptr @entry(ptr %a, ptr %b, i64 %c, ptr %d) {\n  ret ptr null\n}",
        "define void @trim(ptr %a) {\n  ret void\n}",
        "define i64 @arena_bytes(ptr %a) {\n  ret i64 0\n}",
        "define ptr @worker(ptr %a) {\n  ret ptr null\n}",
    ]
    with pytest.raises(LinkError, match="layout 999"):
        load(compile_text("\n".join(parts)))


@pytest.mark.parametrize(
    "damaged", [b"", b"not an object", b"\x7fELF", b"\x7fELF" + b"\0" * 90]
)
def test_what_is_no_object_is_refused(damaged: bytes):
    for each in (damaged, pack([damaged]), pack([damaged, damaged]), b"\0" * 20):
        with pytest.raises(LinkError):
            load(each)


def test_objects_are_packed_and_unpacked():
    for objects in ([b"a"], [b"", b"bc"], [b"1" * 300, b"", b"2"]):
        assert unpack(pack(objects)) == objects
        with pytest.raises(LinkError, match="cut short"):
            unpack(pack(objects)[:-1] if objects[-1] else pack(objects)[:7])


def test_one_object_may_define_what_another_lacks():
    caller = "declare void @f()\ndefine void @g() {\n  call void @f()\n  ret void\n}"
    callee = "define void @f() {\n  ret void\n}"
    objects = [compile_module(text, hosts.detect()) for text in (caller, callee)]
    assert undefined_symbols(objects) == []
    assert undefined_symbols(objects[:1]) == ["f"]


def test_truncated_objects_are_refused():
    obj = compiled(binary("add"))
    for length in (10, 63, 64, 200, len(obj) // 2, len(obj) - 64):
        with pytest.raises(LinkError):
            load(obj[:length])


def test_a_big_endian_object_is_refused():
    obj = bytearray(compiled(binary("add")))
    struct.pack_into("B", obj, 8 + 5, 2)
    with pytest.raises(LinkError, match="another kind of machine"):
        load(bytes(obj))


@pytest.mark.parametrize(
    ("shared", "constants"),
    [
        ([], [np.ones(3)]),
        ([[np.ones(3)]], []),
        ([[]], [np.ones(3)]),
        ([(np.ones(3),)], [np.ones(3)]),
        ([[np.ones(3)]], [np.ones(6)[::2]]),
        ([[np.ones(3)]], [np.ones(3, ">f8")]),
        ([[np.ones(3)]], [[1.0, 2.0, 3.0]]),
    ],
)
def test_storage_that_does_not_fit_is_refused(shared: list, constants: list):
    with pytest.raises(LinkError):
        make(counter(), shared=shared, constants=constants)


def test_the_callable_looks_like_a_function():
    f = link(
        compiled(binary("add")), slow=decline, fail=fail, name="plus", doc="Adds."
    ).entry
    assert f.__name__ == "plus"
    assert f.__doc__ == "Adds."


def test_the_entry_alone_keeps_everything_alive():
    entry = make(
        counter(), shared=[[np.zeros(2)]], constants=[np.array([5.0, 6.0])]
    ).entry
    gc.collect()
    assert entry(np.ones(2)).tolist() == [5.0, 6.0]
    assert entry(np.ones(2)).tolist() == [10.0, 12.0]


def owner_and_entry() -> tuple[object, object]:
    class Owner:
        def slow(self, *args: object) -> object:
            return self

    owner = Owner()
    owner.function = make(chain(3), slow=owner.slow)  # type: ignore[attr-defined]
    return owner, owner.function.entry  # type: ignore[attr-defined]


def test_a_function_that_refers_to_its_owner_is_collected():
    owner, entry = owner_and_entry()
    entry(np.ones(10), np.ones(10))  # type: ignore[operator]
    gone = weakref.ref(owner)
    del owner, entry
    gc.collect()
    assert gone() is None


def test_the_arena_is_freed_with_the_function(monkeypatch: pytest.MonkeyPatch):
    freed: list[int] = []
    f = make(chain(3))
    f.entry(np.ones(10), np.ones(10))
    cells = weakref.ref(f.cells)
    weakref.finalize(f.cells, freed.append, 1)
    del f
    gc.collect()
    assert cells() is None and freed == [1]


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_arenas_do_not_pile_up():
    f, big = make(chain(3)), np.ones(500_000)

    def use(function: NativeFunction) -> None:
        function.entry(big, big)

    use(f)
    before = resident()
    for _ in range(30):
        use(f.copy())
    gc.collect()
    # Thirty arenas of 8 MB would be 240 MB.
    assert resident() - before < 60_000_000


def test_copies_share_code_and_nothing_else():
    first, second = [np.zeros(2)], [np.full(2, 10.0)]
    f = make(counter(), shared=[first], constants=[np.ones(2)])
    g = f.copy(shared=[second])
    assert g.code is f.code
    f.entry(np.ones(2))
    assert g.entry(np.ones(2)).tolist() == [11.0, 11.0]
    assert (first[0].tolist(), second[0].tolist()) == ([1.0, 1.0], [11.0, 11.0])


def test_a_copy_may_have_other_callables():
    f = make(binary("add"))
    assert f.copy(slow=lambda *args: len(args)).entry(1, 2) == 2


def test_fail_may_return_a_value_instead_of_raising():
    from .test_entry import failing

    f = make(failing(), shared=[[np.zeros(1)]], on_fail=lambda code: -code)
    assert f.entry(np.array([-1.0])) == -41
    with pytest.raises(Failed):
        f.copy(fail=fail).entry(np.array([-1.0]))


def test_an_object_links_in_another_process_without_numba(tmp_path: Path):
    (tmp_path / "product.o").write_bytes(compiled(matmul()))
    (tmp_path / "sum.o").write_bytes(compiled(chain(3)))
    script = f"""
    import sys
    import numpy as np
    from symgraph.codegen.cpu.link import link

    def load(name):
        with open({str(tmp_path)!r} + "/" + name, "rb") as file:
            return link(file.read(), slow=print, fail=print, name=name).entry

    a = np.ones(100_000)
    assert (load("sum.o")(a, a) == 4).all()
    heavy = {{"numba", "scipy", "scipy.linalg", "networkx"}}
    assert not heavy & set(sys.modules), heavy & set(sys.modules)
    m = np.arange(6.0).reshape(2, 3)
    assert (load("product.o")(m, m.T.copy()) == m @ m.T).all()
    assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
