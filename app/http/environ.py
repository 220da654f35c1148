"""What the worker and the application tell each other in a request's environ, beside what WSGI has."""

# From the worker: a dict that is the same however often the application is asked for one request. It is asked twice
# where a body has not come yet; the dict is there for such a request alone.
KEPT = "datastorage.kept"
# From the application: the next request of this connection is to wait for a moment.
PUT_ASIDE = "datastorage.put_aside"
