"""Data as the instruments take them: named sets, splits, folders, scenes."""
