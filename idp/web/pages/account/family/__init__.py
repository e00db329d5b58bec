"""The pages of family and helpers: the list, the form of an offer, and one relation."""
