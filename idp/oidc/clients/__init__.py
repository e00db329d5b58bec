"""Relying systems: registration, the cache of them, and how they authenticate."""
