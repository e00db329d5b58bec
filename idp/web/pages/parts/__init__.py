"""What several pages are made of, beside their layout: the form for a code, and pictures of codes."""
