"""All instruments on one network."""
