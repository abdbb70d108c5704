"""Can the numbers be right? Against last year and against the former extract of the same year (Y1-Y6, X32)."""
