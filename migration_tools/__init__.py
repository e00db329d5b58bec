"""`yitong merge`: older systems' accounts become one account a person, by a plan to read, apply and undo."""
