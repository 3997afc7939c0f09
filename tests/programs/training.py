"""The demo's training step."""

from symgraph.demo import build

step = build(0).step
