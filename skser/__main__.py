"""`python -m skser` is the command `skser`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
