"""Legal holds: what one takes that is not released is neither removed nor erased."""
