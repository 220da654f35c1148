"""What `make client` makes of the API document."""
