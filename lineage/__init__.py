"""What the graph of provenance means: its names, its kinds, its events. No database, no web."""
