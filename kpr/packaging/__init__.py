"""Packaging: how a plain message becomes the bytes that travel, and back. One form per route, one seam for all."""
