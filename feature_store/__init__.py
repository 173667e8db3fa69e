"""Features: declared once, computed the same over history and one event at a time."""
