"""Statistics as pure functions: agreement of annotators, paired differences with bounds, channels of a dataset."""
