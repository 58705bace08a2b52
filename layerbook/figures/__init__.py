"""Figures of the chapters: each takes numbers and axes, and returns the axes."""
