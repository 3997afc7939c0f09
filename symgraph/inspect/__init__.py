"""Looking at graphs: as text, as a picture, as data."""
