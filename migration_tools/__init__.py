"""migration_tools."""
