"""Tunesmith: tune and serve music classifiers on Ray."""
