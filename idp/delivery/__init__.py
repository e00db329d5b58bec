"""What leaves the provider: the outbox, the worker that delivers it, and the one fetcher."""
