"""Records of the feed in the forms of others."""
