"""The explorer in JupyterLab: a real kernel, a real page."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Opened

pytestmark = pytest.mark.browser

CELLS = [
    """import symgraph as sg
x = sg.dvector("x")
f = sg.function([x], sg.log(1 + sg.exp(x)), name="soft")
f""",
    "shown = f.explore([-1.0, 0.5], height=600)\nshown",
    "print('off', shown.off)",
]


def notebook(folder: Path) -> None:
    """A notebook of these cells."""
    cells = [
        {
            "cell_type": "code", "source": code, "metadata": {}, "outputs": [],
            "execution_count": None, "id": f"cell{k}",
        }
        for k, code in enumerate(CELLS)
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = {
        "cells": cells, "metadata": {"kernelspec": kernel},
        "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    (folder / "look.ipynb").write_text(json.dumps(made), encoding="utf-8")


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[str]:
    """JupyterLab on this machine's own address only, with nothing of the user's."""
    notebook(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = {k: str(tmp_path / k) for k in ("JUPYTER_CONFIG_DIR", "IPYTHONDIR")}
    home["JUPYTER_RUNTIME_DIR"] = home["JUPYTER_DATA_DIR"] = str(tmp_path / "run")
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1"),
        *(f"--port={port}", "--IdentityProvider.token=", "--allow-root"),
        *(f"--ServerApp.root_dir={tmp_path}", "--LabApp.news_url=None"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    log = (tmp_path / "log.txt").open("w")
    server = subprocess.Popen(
        command, env={**os.environ, **home}, stdout=log, stderr=log
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url + "/api")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def _wait_for(url: str) -> None:
    until = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > until:
                raise
            time.sleep(0.3)


def test_the_widget_runs_the_pipeline_again(browser: Any, jupyter: str) -> None:
    allowed = (jupyter, jupyter.replace("http", "ws"), "data:", "blob:")
    opened = Opened(browser, 1280, allowed)
    page = opened.page
    page.set_default_timeout(60_000)
    page.goto(f"{jupyter}/lab/tree/look.ipynb")
    page.locator(".jp-Notebook .jp-CodeCell").nth(len(CELLS) - 1).wait_for()
    page.get_by_text("| Idle").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator("[data-command='runmenu:run-all']").click()
    explorer = page.locator(".symgraph-explorer")
    explorer.locator(".node", has_text="softplus").wait_for()
    assert page.locator("div.symgraph", has_text="3 rules applied").count()
    opened.shot("widget-1280")
    explorer.get_by_role("tab", name="Pipeline", exact=True).click()
    explorer.get_by_label("Rule log1p_of_exp", exact=True).uncheck()
    explorer.locator(".switched-off", has_text="log1p_of_exp").wait_for()
    explorer.get_by_role("tab", name="Kernels", exact=True).click()
    explorer.locator(".kernel", has_text="k0_log1p").wait_for()
    told = explorer.locator(".kernel", has_text="k0_log1p").locator(".told")
    assert told.inner_text().endswith("s")  # of time: the new kernel was called
    explorer.get_by_role("tab", name="Graph", exact=True).click()
    explorer.locator(".node", has_text="log1p").wait_for()
    assert explorer.locator(".node", has_text="softplus").count() == 0
    opened.shot("widget-off-1280")
    explorer.get_by_role("tab", name="Pipeline", exact=True).click()
    explorer.get_by_label("Rule log1p_of_exp", exact=True).check()
    explorer.get_by_role("tab", name="Graph", exact=True).click()
    explorer.locator(".node", has_text="softplus").wait_for()
    opened.context.close()
    assert not opened.asked
    ours = [s for s in opened.said if "symgraph" in s or "explorer" in s]
    assert not ours
