"""A real Chromium, cut off from the network, and pages of the explorer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from symgraph.inspect.html import explorer_page

#: Where screenshots go; not part of the repository.
ARTEFACTS = Path(__file__).resolve().parents[2] / "build" / "explorer"

#: A container has no sandbox to offer, no GPU, and nobody to talk to.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, or whatever is called so here."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "there is no chromium: install Debian's package of this name"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield started
        started.close()


class Opened:
    """A page, what it said on its console, and what it asked of the network."""

    def __init__(self, browser: Any, width: int, allowed: tuple[str, ...], **how: Any):
        size = {"width": width, "height": 844 if width < 500 else 800}
        self.context = browser.new_context(viewport=size, **how)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda m: self.said.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda e: self.said.append(f"error: {e}"))

        def watch(route: Any) -> None:
            if route.request.url.startswith(allowed):
                route.continue_()
                return
            self.asked.append(route.request.url)
            route.abort()

        self.context.route("**/*", watch)

    def shot(self, name: str) -> None:
        """Keep a picture."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png")


@pytest.fixture
def explorer(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """``explorer(f, width=1280)``: the page of a function, opened and ready."""
    opened: list[Opened] = []

    def open_page(f: Any, width: int = 1280, measure: Any = None, **how: Any) -> Opened:
        file = tmp_path / f"{len(opened)}.html"
        file.write_text(explorer_page(f.explored((), measure)), encoding="utf-8")
        made = Opened(browser, width, (file.as_uri(), "data:", "blob:"), **how)
        opened.append(made)
        made.page.goto(file.as_uri())
        made.page.wait_for_selector("#symgraph-explorer[data-ready]")
        return made

    yield open_page
    for each in opened:
        each.context.close()
    for each in opened:
        assert not each.said
        assert not each.asked
