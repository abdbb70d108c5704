"""The mirror of the register's view: our own count of what was sent, held against what the view shows (letter L2)."""
