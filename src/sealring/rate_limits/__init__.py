"""Rate limits: buckets, rates, device recognition. Pure."""
