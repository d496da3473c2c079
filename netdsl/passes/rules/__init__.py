"""The rules of `simplify`, by subject: each a name, a pattern, what stands in its place, and when."""
