"""What the provider sends out: the outbox, the worker that delivers it, and the only HTTP client."""
