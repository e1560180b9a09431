"""SAM: boxes become masks, and the model learns the part."""
