"""Writing to the secretariat, and its answers."""
