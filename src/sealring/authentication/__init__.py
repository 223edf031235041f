"""Proving who one is: methods, proofs, and what they amount to. Pure."""
