"""From a table of questions and answers, or of facts, to an experiment to search. By rule: no model is asked.

`items` reads the sources, a language's `rules` find in every answer what it adds to its question and word new
questions about it, `build` makes facts and probes of that, `screen` drops what the checks of `raykft data check`
refuse, and `files` writes the experiment, its review sheet and the account of what was left out.
"""
