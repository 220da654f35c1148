"""What `datastorage export` does with a stream: where its rows end, and how they get onto the disk."""
