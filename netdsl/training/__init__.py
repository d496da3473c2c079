"""The trainer: it knows no model. It is handed programs that run, rows, and a plan."""
