"""One thin file per framework, each pointing inward."""
