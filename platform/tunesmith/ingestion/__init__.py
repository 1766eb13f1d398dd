"""Ingest: Ray Data pipeline from MIDI files and archives to a dataset version."""
