"""What a client learns of a person: the claims, the grants of persons, and subjects."""
