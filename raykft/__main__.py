"""`python -m raykft`."""

from raykft.cli import main

main()
