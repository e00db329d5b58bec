"""The pages of organisations: the choice at a service, the list of a person, and one organisation."""
