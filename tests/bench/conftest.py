"""What pytest is not to import: `bench/` is on no path of its own."""

collect_ignore = ["stand_in", "tiny.py"]
