"""What a compiled program is: frozen data."""
