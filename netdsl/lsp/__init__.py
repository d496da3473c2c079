"""The language server: what an editor asks about a `.net` file while it is being written."""
