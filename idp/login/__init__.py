"""Signing in: which step is pending, the sessions, and what a person has proven."""
