"""Family and helpers (亲友代办): one person acts for another, in named matters, for a period, until either ends it.

`helpers` has the acts: asking, accepting, ending, and what a counter records for the guardian of a minor. `authority`
answers whether one person may act for another now. A helper acts for somebody at services only: their account, their
ways to sign in and their consents stay their own.
"""
