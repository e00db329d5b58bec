"""What somebody else issued and a person bound to their account: accounts of platforms, certificates."""
