"""What the notebooks call: the lake, pictures, and figures that no other page shows.

Notebooks themselves hold no logic; ``notebooks/`` has four.
"""
