"""The endpoints: plain asynchronous functions from a `Call` to what they answer."""
