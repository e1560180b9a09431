"""`mvtec evaluate compare`: detector, classifier and anomaly detector on the same photos, in one report."""
