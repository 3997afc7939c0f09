"""Multinomial logistic regression on the handwritten digits, in one compiled step.

The loss, its gradients and the updates of the parameters are one function; run this
twice, and the second time its code comes from the disk cache.
"""

from __future__ import annotations

import numpy as np

import symgraph as sg
from symgraph.data import load_digits

RATE = 1.0
STEPS = 200


def main() -> None:
    images, labels = load_digits()
    order = np.random.default_rng(0).permutation(len(labels))
    test, train = order[:360], order[360:]

    # A dimension called "n" is one size wherever it occurs, known when the call comes.
    x = sg.matrix("x", "float32", ("n", 64))
    y = sg.vector("y", "int64", ("n",))
    weights = sg.shared(np.zeros((64, 10), np.float32), name="weights")
    bias = sg.shared(np.zeros(10, np.float32), name="bias")

    logits = x @ weights + bias
    logp = sg.special.log_softmax(logits, axis=1)
    loss = -sg.mean(logp[sg.arange(y.shape[0]), y])
    parameters = [weights, bias]
    gradients = sg.grad(loss, parameters)
    step = sg.function(
        [x, y],
        loss,
        updates=[(p, p - RATE * g) for p, g in zip(parameters, gradients, strict=True)],
        name="step",
    )
    predict = sg.function([x], sg.argmax(logits, axis=1), name="predict")

    for number in range(STEPS):
        value = step(images[train], labels[train])
        if number % 50 == 0 or number == STEPS - 1:
            print(f"step {number:3}: loss {value:.4f}")
    right = predict(images[test]) == labels[test]
    print(f"test accuracy: {100 * right.mean():.1f} %")


if __name__ == "__main__":
    main()
