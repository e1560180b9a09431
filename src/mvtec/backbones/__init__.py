"""Frozen feature networks, which classify and anomaly stand on, and where their weights are found."""
