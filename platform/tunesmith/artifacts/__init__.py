"""The store: its layout, and a typed model for every JSON file in it."""
