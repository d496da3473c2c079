"""From text to running code: loading, executing, measuring."""
