"""What needs several rooms: demo, comparison, imbalance, proposals, the evaluation of an anomaly run."""
