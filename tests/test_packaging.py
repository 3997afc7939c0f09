"""What is installed: one package, of real files, that works away from the checkout."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow

#: The README's first example, and the block behind it that shows what it prints.
EXAMPLE = re.compile(r"```python\n(.*?)```.*?```(?:text|console)?\n(.*?)```", re.DOTALL)

DECOY = 'raise ImportError("the decoy was imported: a bare `codegen` is the user\'s")\n'


def run(*command: str | Path, cwd: Path) -> str:
    """What `command` prints; a failure shows all of it."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command} in {cwd}:\n{done.stdout}"
    return done.stdout


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of `wheel`, without the list of their digests."""
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if not n.endswith("/RECORD")]
        return {name: archive.read(name) for name in names}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One wheel from the tree, and one from the sdist made from the tree."""
    folder = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "build", "--outdir")
    run(*build, folder / "direct", "--wheel", ROOT, cwd=folder)
    run(*build, folder / "by-sdist", ROOT, cwd=folder)
    (direct,) = (folder / "direct").glob("*.whl")
    (by_sdist,) = (folder / "by-sdist").glob("*.whl")
    return direct, by_sdist


@pytest.fixture(scope="module")
def installed(
    wheels: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The programs of a clean environment, and a folder with a decoy to run them in."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "env", with_pip=True)
    programs = folder / "env" / "bin"
    run(programs / "python", "-m", "pip", "install", "--quiet", wheels[0], cwd=folder)
    work = folder / "work"
    work.mkdir()
    (work / "codegen.py").write_text(DECOY, encoding="utf-8")
    return programs, work


def test_wheel_holds_one_package(wheels: tuple[Path, Path]) -> None:
    files = contents(wheels[0])
    tops = {name.split("/")[0] for name in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"symgraph"}
    sources = {f"symgraph/{p.relative_to(ROOT)}" for p in ROOT.glob("codegen/**/*.py")}
    data = {"symgraph/py.typed", "symgraph/data/digits.csv.gz"}
    assert not (sources | data) - set(files)


def test_sdist_rebuilds_to_the_same_wheel(wheels: tuple[Path, Path]) -> None:
    direct, by_sdist = map(contents, wheels)
    assert direct == by_sdist


def test_readme_example(installed: tuple[Path, Path]) -> None:
    programs, work = installed
    found = EXAMPLE.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found, "README.md shows no python block with its output"
    (work / "example.py").write_text(found[1], encoding="utf-8")
    printed = run(programs / "python", "example.py", cwd=work)
    assert printed.strip() == found[2].strip()


def test_demo(installed: tuple[Path, Path]) -> None:
    programs, work = installed
    printed = run(programs / "symgraph", "demo", cwd=work)
    said = [line for line in printed.splitlines() if "test accuracy" in line.lower()]
    assert said, printed
    percent = re.search(r"(\d+(?:\.\d+)?) ?%", said[-1])
    assert percent and float(percent[1]) >= 97.0, printed
