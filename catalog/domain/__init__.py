"""Every entity's fields, once, as strict pydantic; and pure rules on them. Imports nothing of ours but errors."""
