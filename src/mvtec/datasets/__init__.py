"""Where images come from: read the MVTec tree, check, describe, split, make and download."""
