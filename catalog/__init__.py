"""Assay's catalog: the product. Versions, gates, lineage and evidence; see docs/architecture.md for the house."""

__version__ = "0.1.0"
