"""Helpers for task files: splits, tables of songs, pieces of a MIDI dataset, Keras files."""
