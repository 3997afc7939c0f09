"""Programs that the command line is tried on: TARGETs in files of their own."""
