"""Renders: contracts and lineage in, text out."""
