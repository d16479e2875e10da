"""Gold transforms, one module a table."""
