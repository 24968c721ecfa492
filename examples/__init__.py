"""Runnable stories; the tests run them."""
