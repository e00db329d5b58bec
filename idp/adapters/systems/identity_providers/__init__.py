"""Platforms that tell whose account of theirs is at the browser: adapters, their configuration, and a sandbox."""
