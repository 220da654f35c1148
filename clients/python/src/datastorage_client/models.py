"""The typed models of the API document: requests, answers and their enumerations."""

from datastorage_client._generated.models import *  # noqa: F403
