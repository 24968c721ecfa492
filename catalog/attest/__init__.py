"""Keys and signed envelopes: who said what, with distinct people behind distinct keys."""
