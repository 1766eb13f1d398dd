"""From sources to a dataset version, with Ray Data."""
