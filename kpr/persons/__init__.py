"""Test persons and dead persons: who may be one, what the reporting officer decided, and who is left out by it."""
