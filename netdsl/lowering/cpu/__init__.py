"""Lowering for the CPU."""
