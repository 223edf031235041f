"""What is dead: entries, the view that every request asks, the feed's form. Pure."""
