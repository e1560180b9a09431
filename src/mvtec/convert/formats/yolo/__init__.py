"""YOLO folders: `label_lines.py` writes and reads the lines of labels, the other files whole folders."""
