"""The only code that reads or writes a table."""
