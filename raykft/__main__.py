"""`python -m raykft`."""

from raykft.cli import main

if __name__ == "__main__":
    main()
