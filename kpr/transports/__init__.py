"""How protected messages travel: one seam, one module per way."""
