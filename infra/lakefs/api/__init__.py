"""lakeFS's HTTP API over the store: one module a noun, `app` puts them together."""
