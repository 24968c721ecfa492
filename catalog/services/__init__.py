"""One use case a module, named as the verb. A use case reads, judges and writes through one door; what crosses
stores runs as an intent."""
