"""The client: typed HTTP and nothing else; it knows domain, settings and errors, and starts the service when absent."""

from catalog.client.catalog import Catalog

__all__ = ["Catalog"]
