"""Every write to disk, atomic and locked; the user's cache folder."""
