"""How a statement runs on each vendor's driver: one file a vendor, the same behaviour from outside."""
