"""Not to be imported: as if it were not installed."""

raise ImportError("jax is not here")
