"""RateLimit limits: buckets, rates, device recognition. Pure."""
