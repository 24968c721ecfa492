"""An embedded server of lakeFS's HTTP API."""
