"""`raykft doctor`: what is wrong with this machine or cluster, and how fast it trains."""
