"""What `assay check` says, for each reader: a terminal, a page, and two formats of continuous integration."""
