"""How filters evolve (Hu et al. 2018)."""
