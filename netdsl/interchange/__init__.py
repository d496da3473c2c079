"""Other formats and interfaces."""
