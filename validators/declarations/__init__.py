"""What a dataset says of itself beside its format: declaration, calibrations, terms, origins; each read strictly."""
