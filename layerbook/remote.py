"""Addresses such as ``s3://`` and ``gs://``: what papermill has a handler for takes files."""


def put(text: str, address: str) -> None:
    """Write a text to an address.

    Parameters
    ----------
    text : JSON, which a notebook is too
    address : of the file; what stands before ``://`` names papermill's handler

    Raises
    ------
    OSError
        if there is no handler for it, a package of the handler is missing, or the place takes nothing
    """
    from papermill.iorw import LocalHandler, papermill_io  # takes seconds to import

    handler = papermill_io.get_handler(address)
    if isinstance(handler, LocalHandler):
        known = ", ".join(sorted({scheme for scheme, _ in papermill_io._handlers if scheme.endswith("://")}))
        raise OSError(f"{address}: papermill writes to {known} and to folders")
    try:
        handler.write(text, address)
    except Exception as error:  # each handler has errors of its own
        raise OSError(f"{address}: {type(error).__name__}: {error}") from None
