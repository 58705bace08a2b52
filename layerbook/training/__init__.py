"""One training loop, seeds side by side, resumable."""
