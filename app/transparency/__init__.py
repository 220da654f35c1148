"""The log of all records: the place of each, given once, in an order without gaps (docs/log.md).

entries.py     an entry: how it is kept, the JSON that is hashed, how it is found
edge.py        the right edge of the tree, and how entries are put behind it
log_store.py   the statements: what is pending, the log's tables, records from before there was a log
sequencer.py   the one thread of all instances that gives places
witnesses.py   has checkpoints cosigned by others
watch.py       how the log is, seen from every worker: lag, and whether somebody has to take over
acts.py        acts on the log, which have entries of their own: the intake finished
remembering.py filling memories that are empty, at an operator's word
origins.py     a new origin, at an operator's word
standing.py    how the log stands, for the command line
"""
