"""The web layer: the WSGI front, routes, pages, and what protects them."""
