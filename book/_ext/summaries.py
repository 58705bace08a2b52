"""Let summaries on the API page go on after "eqs." and the like, where Sphinx would end the sentence."""

from sphinx.ext import autosummary

ABBREVIATIONS = ("eq.", "eqs.", "sec.", "secs.", "fig.", "figs.", "table.", "p.", "pp.", "vs.")


def setup(app):
    autosummary.WELL_KNOWN_ABBREVIATIONS = (*autosummary.WELL_KNOWN_ABBREVIATIONS, *ABBREVIATIONS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
