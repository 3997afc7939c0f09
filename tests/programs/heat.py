"""The heat equation of the examples: a loop."""

import symgraph as sg

u = sg.matrix("u", shape=(11, 11))


def step(u, _):
    """One step of the explicit scheme, and the warmth that is left."""
    inner = u[1:-1, 1:-1]
    around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
    warmed = sg.inc_subtensor(inner, 0.2 * (around - 4 * inner))
    return warmed, sg.log(1 + sg.sum(warmed) * 1)


last, warmth = sg.scan(step, u, length=50)
both = [last, warmth]
