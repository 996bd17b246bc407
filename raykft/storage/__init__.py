"""The files of an experiment, on a disk or behind a URL, and the lock on them."""
