"""The gunicorn worker: the one place that touches gunicorn's insides, one file a concern.

    worker.py     the process: its signals, its life, and the loop that waits for all clients
    clients.py    the connections of the loop: what each waits for, what it holds, how it ends
    waiting.py    the connections by what they wait for, and which one has to go
    queues.py     a queue of connections with a deadline
    request_threads.py  the threads that serve whole requests
    handover.py   connections on their way back from threads to the loop
    listeners.py  taking connections: when, how many, and how it ends
    balance.py    which of several workers takes the next one
    connections.py  a client's connection: what it has sent, and the one answer to it
    heads.py      from bytes to a request, or to the reason why they are none
    bodies.py     the body that belongs to it, by length or in chunks
    lingering.py  the end of a connection that is not to be used again
    shutdown.py   what SIGTERM begins and what the end leaves behind
    stop_signals.py  the signals that stop a worker, held back while it begins
    pinning.py    a core for each worker
    metrics_directory.py  the folder in which workers share their metrics
    room.py       a system without room for a worker: it is tried again
    turns.py      what the master does at each of its turns
    sockets.py    how the master makes its listening sockets
    log.py        gunicorn's own lines in the form of all others

A request is given to a thread when it is there to its last byte. So no thread waits for a client that sends, and no
code that reads a request runs once its answer has begun. Which names of gunicorn this stands on is in
tests/unit/server/test_gunicorn_contract.py, and what each part is defended by in docs/decisions/gunicorn-worker.md.
"""
