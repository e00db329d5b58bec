"""Staff: the members of the city's directory who have signed in here or may do so.

A member is not a natural person of ours, and the two are never joined: a clerk who is also a citizen has two accounts,
and neither opens the other (docs/decisions/0082-staff-are-subjects-of-their-own.md). The directory holds their names
and passwords. We hold a random key for each, a second factor and their sessions.
"""
