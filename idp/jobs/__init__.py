"""Jobs beside the requests: retention and resealing."""
