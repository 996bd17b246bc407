"""Propose recipes, run them as Ray Tune trials, stop the poor ones early, and keep what they scored."""
