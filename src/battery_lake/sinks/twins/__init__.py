"""Azure Digital Twins: the graph of vehicles, packs and cells, and what is known of them."""
