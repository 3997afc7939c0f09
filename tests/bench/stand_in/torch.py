"""Not to be imported: as if it were not installed."""

raise ImportError("torch is not here")
