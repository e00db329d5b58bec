"""What a person may ask of us about their own account: a copy, a correction, an end, a decision on what is wrong."""
