"""Tokens and what signs them: minting, keys, secrets, and the statements of the token side."""
