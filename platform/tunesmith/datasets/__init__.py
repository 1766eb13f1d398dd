"""Dataset versions: their tables on disk, reading them, and splitting their items."""
