"""Groups of commands that `raykft.cli` puts together, and the options that they share."""
