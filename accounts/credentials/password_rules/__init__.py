"""The rules for passwords over time: changing them, the list of breached ones, and the profiles of the policy."""
