"""Writes the Japanese demo domain: `python -m raykft.data.demo.build_ja [--reseed N] [--out DIR]`.

The company, its people and its numbers differ from the English ones, but fact, row and probe ids mean the same
in both languages. Another seed gives a domain with the same questions and other values.
"""

from raykft.data.demo.build import command
from raykft.data.demo.language_ja import JAPANESE

if __name__ == "__main__":
    command(JAPANESE, __doc__)
