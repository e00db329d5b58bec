"""Work beside the requests: retention and resealing."""
