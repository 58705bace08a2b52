"""Statistics that a chapter needs."""
