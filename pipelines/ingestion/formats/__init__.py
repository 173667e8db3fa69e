"""Read the rows of a file, whatever it is written in: one file per format, all yielding the same runs of raw rows."""
