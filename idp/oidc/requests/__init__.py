"""Authorization and logout requests: validation, their states, and their store."""
