"""The command line."""

from kpr.cli.app import main

__all__ = ["main"]
