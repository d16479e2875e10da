"""The arrows: read, transform, write."""
