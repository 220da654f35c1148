"""The log held against the records: whether every record is what its entry says, and the tree what was signed.

source.py        what a check reads, wherever it comes from
database.py      … out of PostgreSQL, in one snapshot
records.py       a record against its entry
bundles.py       the entries of some bundles against records and tree
tree.py          the tree above the leaves: its tiles, and its root at any size on the way
checkpoints.py   what was signed against these roots; signatures and cosignatures
remembered.py    what memories outside the database hold against these roots
leftovers.py     what is stored and has no entry
check.py         all of it, from the first entry to the last
report.py        what was found
"""
