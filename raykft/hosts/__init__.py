"""The actors of a run: training hosts, the evaluator, the broker, and the crew that keeps them."""
