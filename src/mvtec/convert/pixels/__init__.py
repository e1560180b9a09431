"""Pixels as arrays: boxes and regions, run-length encodings, polygons and brush strokes. No file is touched here."""
