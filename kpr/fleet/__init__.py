"""Many municipalities at once: which they are, how each stands, and the same step for all of them."""
