"""Offline scoring: a model's answer about every item of any source, as Parquet, with Ray Data."""
