"""Writes the English demo domain: `python -m raykft.data.demo.build_en [--reseed N] [--out DIR]`.

The committed files are the output for the default seed. Another seed gives a domain with the same questions
and other values, which is how a result on the demo domain is shown not to hang on one lucky draw.
"""

from raykft.data.demo.build import command
from raykft.data.demo.language_en import ENGLISH

if __name__ == "__main__":
    command(ENGLISH, __doc__)
