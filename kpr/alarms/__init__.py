"""Telling people: what needs a person, who is told, by which way, and each thing once."""
