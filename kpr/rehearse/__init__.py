"""A whole season with a time-lapse clock: many synthetic municipalities, scripted mishaps, and what came of it."""
