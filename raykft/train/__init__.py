"""Train several adapters on one frozen base model; each exactly as it would have been alone."""
