"""Pictures and texts made from finished values."""
