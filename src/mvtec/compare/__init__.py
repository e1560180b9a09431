"""Runs detector and classifier over the same photos, trains them by folds where that is asked for, and judges both."""
