"""HTTP: one class for each group of endpoints, callable as plain methods."""
