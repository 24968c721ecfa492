"""The command line: one module a noun; help is plain text and quick, so heavy imports are late."""
