"""The Prefect flows, one file each, readable from top to bottom as the letter."""
