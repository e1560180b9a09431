"""One file for each layout of a data set on disk; `tree.LAYOUTS` lists them."""
