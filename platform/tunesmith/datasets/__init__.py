"""Dataset versions: what is on disk, how it is read, how it is split."""
