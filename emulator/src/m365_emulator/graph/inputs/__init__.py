"""From the JSON of a request to values the store takes; wrong input is told by its path."""
