"""From a source's column to a contract's: one file per type, each telling which rows it could not convert."""
