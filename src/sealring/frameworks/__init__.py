"""One thin file per framework, each pointing inward and importing its own framework alone."""
