"""Checks of a resolved bundle: each module knows one kind of fault."""
