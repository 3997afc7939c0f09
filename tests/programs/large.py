"""A graph of 5,000 nodes: a random walk over elementwise ops and row sums."""

import random

import symgraph as sg

OPS = [
    lambda a, b: sg.log(1 + sg.exp(a)) + b,
    lambda a, b: sg.tanh(a) * (b + 0.0),
    lambda a, b: a - b * 1,
    lambda a, b: sg.maximum(a, -b),
    lambda a, b: a * sg.sum(b, axis=1, keepdims=True),
    lambda a, b: sg.exp(a - sg.max(a, axis=1, keepdims=True)) + b,
]

x = sg.matrix("x", shape=("n", 8))
y = sg.matrix("y", shape=("n", 8))
draw = random.Random(1)
values = [x, y]
for _ in range(2_300):
    values.append(draw.choice(OPS)(draw.choice(values[-4:]), draw.choice(values[-9:])))
outputs = values[-4:]
