"""What a search will cost and what fits in memory. Arithmetic: no torch, no Ray."""
