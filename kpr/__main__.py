"""``python -m kpr``: the command line, where no script is installed."""

from kpr.cli import main

main()
