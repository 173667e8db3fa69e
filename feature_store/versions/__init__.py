"""Sealed feature versions as git tags and DVC objects: what is in one, and how it comes back."""
