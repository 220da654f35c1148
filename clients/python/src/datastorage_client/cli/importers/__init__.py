"""Ways in for records of other systems: a reader of files, a mapping for each format, and a sender over HTTP."""
