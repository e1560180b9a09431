"""A web page where a person draws, corrects and accepts labels, and the small server behind it."""
