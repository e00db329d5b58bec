"""Credentials: passwords, hashes of older systems, the password policy, and throttling."""
