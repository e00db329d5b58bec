"""Systems that the provider calls, each behind a port."""
