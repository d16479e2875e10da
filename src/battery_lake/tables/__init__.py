"""Contracts of all tables, as plain data."""
