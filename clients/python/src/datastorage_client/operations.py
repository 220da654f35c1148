"""The operations of the API document, for `DataStorageClient.call`."""

from datastorage_client._generated.operations import *  # noqa: F403
