"""The base model: where it comes from, how it is quantized, which layers carry adapters, and how it is run."""
