"""Forward and backward: layer targets and guided back-propagation (Xie & Lai 2018)."""
