"""Frames in, findings out: reads recordings, runs suites of checks, explains what it found. No database, no network."""
