"""Data Explorer: its database is made from the contracts, and gold's changes are pushed into it."""
