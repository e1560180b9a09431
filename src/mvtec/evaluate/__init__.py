"""Judges predictions: box mAP with intervals, cross-checks, the report."""
