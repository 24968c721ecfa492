"""What one browser session holds: its connection."""
