"""Adapters: channels as data, and systems that are called."""
