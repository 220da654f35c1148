"""How much each caller may ask for: a limit for a principal's requests, its events, and an address' requests.

quota.py         one limit: what each key has spent, and pieces of it that a worker spends by itself
shared_count.py  the count of all workers and instances in Redis, while it answers
requests.py      what is counted of a request and what its answer says about it
"""
