"""The functions and results behind ``import tunesmith``.

Programs import the names from `tunesmith` itself; the modules of this room may move.
"""
