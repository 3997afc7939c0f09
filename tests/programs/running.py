"""What accumulates along rows so few and long that several blocks go through each."""

import symgraph as sg

x = sg.vector("x", shape=(20_000,))
rows = sg.matrix("rows", shape=(3, 20_000))
flags = sg.tensor("flags", dtype="bool", shape=(20_000,))

sums = [
    sg.cumsum(sg.exp(x))[::-1],
    sg.cumsum(x[::-1]),
    sg.cumprod(rows, axis=1),
    sg.cumsum(flags),
]
