"""The page and the orders application that `sealring serve` shows."""

from sealring.demo.app import create_app

__all__ = ["create_app"]
