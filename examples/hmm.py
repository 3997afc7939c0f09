"""A hidden Markov model: the forward algorithm in a scan, and posteriors as gradients.

The likelihood of what was seen is a sum over all ways of the hidden state, which the
forward algorithm takes step by step, in logarithms since it is a tiny number.  Its
gradient is all that one wants to know: with respect to the log score of state k at time
t, it is the posterior probability of that state; with respect to the log probability of
a transition, the expected number of such transitions.  These are what the backward
algorithm computes, and what Baum and Welch's method is made of.

The casino that sometimes takes a loaded die: which throws were loaded?
"""

from __future__ import annotations

from typing import Any

import numpy as np

import symgraph as sg

THROWS = 300
FAIR, LOADED = 0, 1
STAY = np.array([[0.95, 0.05], [0.10, 0.90]])  # from a row's die to a column's
DICE = np.array([[1 / 6] * 6, [0.1] * 5 + [0.5]])
FIRST = np.array([0.5, 0.5])


def log_likelihood(first: Any, moves: Any, scores: Any) -> Any:
    """The log probability of the observations, by the forward algorithm.

    `first` are the log probabilities of the first state, `moves` those of the
    transitions, and `scores`, of shape (times, states), those of what was seen.
    """

    def step(alpha: Any, score: Any) -> tuple[Any, None]:
        # The sum over the states before; nothing is kept but the last carry.
        return sg.logsumexp(alpha[:, None] + moves, axis=0) + score, None

    alpha, _ = sg.scan(step, first + scores[0], scores[1:])
    return sg.logsumexp(alpha)


def forward_backward(
    first: np.ndarray, moves: np.ndarray, scores: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Log likelihood, posteriors and expected transitions, as textbooks have them."""
    n = len(scores)
    alpha, beta = np.empty_like(scores), np.zeros_like(scores)
    alpha[0] = first + scores[0]
    for t in range(1, n):
        alpha[t] = np.logaddexp.reduce(alpha[t - 1][:, None] + moves) + scores[t]
    for t in range(n - 2, -1, -1):
        beta[t] = np.logaddexp.reduce(moves + scores[t + 1] + beta[t + 1], axis=1)
    total = float(np.logaddexp.reduce(alpha[-1]))
    pairs = alpha[:-1, :, None] + moves + (scores + beta)[1:, None, :]
    return total, np.exp(alpha + beta - total), np.exp(pairs - total).sum(axis=0)


def throws(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The dice that were used, and what they showed."""
    dice, state = [], FAIR
    for _ in range(THROWS):
        dice.append(state)
        state = int(rng.choice(2, p=STAY[state]))
    seen = [int(rng.choice(6, p=DICE[die])) for die in dice]
    return np.array(dice), np.array(seen)


def main() -> dict[str, Any]:
    first, moves = sg.dvector("first"), sg.dmatrix("moves")
    scores = sg.matrix("scores", "float64", ("times", "states"))
    total = log_likelihood(first, moves, scores)
    posterior, counts = sg.grad(total, [scores, moves])
    smooth = sg.function([first, moves, scores], [total, posterior, counts], name="hmm")

    dice, seen = throws(np.random.default_rng(0))
    given = np.log(FIRST), np.log(STAY), np.log(DICE[:, seen].T)
    value, chances, expected = smooth(*given)
    known = forward_backward(*given)
    right = float(np.mean((chances[:, LOADED] > 0.5) == (dice == LOADED)))

    print(f"log likelihood of {THROWS} throws: {value:.10f}")
    print(f"by NumPy, forward and backward:   {known[0]:.10f}")
    print(f"posteriors differ by at most {np.abs(chances - known[1]).max():.0e}")
    print("expected transitions     there were (NumPy agrees to "
          f"{np.abs(expected - known[2]).max():.0e})")  # fmt: skip
    for a, name in enumerate(("fair", "loaded")):
        for b, other in enumerate(("fair", "loaded")):
            there = np.sum((dice[:-1] == a) & (dice[1:] == b))
            print(f"  {name:6} to {other:6} {expected[a, b]:7.2f} {there:7}")
    print("throws, the loaded die (L), and its posterior in tenths:")
    for k in range(0, 120, 60):
        part = slice(k, k + 60)
        print("  " + "".join(str(s + 1) for s in seen[part]))
        print("  " + "".join(".L"[d] for d in dice[part]))
        print("  " + "".join(str(int(10 * p - 1e-9)) for p in chances[part, LOADED]))
    print(f"the die is guessed right for {100 * right:.0f} % of the throws")
    return {
        "total": float(value),
        "posterior": chances,
        "expected": expected,
        "known": known,
        "right": right,
    }


if __name__ == "__main__":
    main()
