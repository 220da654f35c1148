"""The typed models of the API document: requests, answers and their enumerations."""

from datastorage_client._generated.models import *  # noqa: F403
from datastorage_client._generated.types import UNSET as UNSET
from datastorage_client._generated.types import Unset as Unset
