"""Facts, training rows, probes and general sets: read, validated, mixed and encoded."""
