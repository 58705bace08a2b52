"""Nodes as classifiers (Davel et al. 2020)."""
