"""The trainer: it knows no model."""
