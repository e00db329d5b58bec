"""`yitong merge`: the accounts of older systems become one account for each person, by a plan."""
