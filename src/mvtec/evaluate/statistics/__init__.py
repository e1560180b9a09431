"""How figures are counted: matching, average precision, shares, and their 95 % intervals."""
