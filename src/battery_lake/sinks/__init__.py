"""Where results are pushed: Digital Twins and Data Explorer; nothing upstream knows of them."""
