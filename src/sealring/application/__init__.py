"""The public object, one file for each group of its methods; `sealring.sealring` joins them."""
