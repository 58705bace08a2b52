"""Instruments that show what each layer of a deep network does, and when it learns it."""

__version__ = "0.1.0"
__all__ = ["Inspection", "inspect"]


def __getattr__(name: str):
    # on demand: whoever only asks for the version need not wait for PyTorch
    if name in __all__:
        from layerlib.inspection import inspect as inspection

        return getattr(inspection, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
