"""Our own starting weights: a detector taught defects on parts and textures that are drawn, never photographed."""
