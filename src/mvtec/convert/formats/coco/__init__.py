"""COCO: the format that all others are converted to and from."""
