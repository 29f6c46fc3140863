"""``python -m madata``: the command line, where the command ``madance`` is not on the path."""

from madata.cli import main

main()
