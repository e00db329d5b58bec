"""What a browser meets: the WSGI front, routes, pages, and what protects them."""
