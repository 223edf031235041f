"""The page and the orders application that `sealring serve` shows."""
