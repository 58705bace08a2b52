"""Layer distributions: probes, distances between label distributions, early exit (Cao et al. 2022)."""
