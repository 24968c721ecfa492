"""Reports: one place for the facts, two renderings of it, from domain values only."""
