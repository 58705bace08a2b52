"""Instruments that show what each layer of a deep network does, and when it learns it."""

__version__ = "0.1.0"
