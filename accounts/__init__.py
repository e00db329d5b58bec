"""The domain: who people and enterprises are, and how they prove it. Imports nothing else of ours."""
