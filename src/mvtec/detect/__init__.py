"""Ultralytics YOLO: train, predict."""
