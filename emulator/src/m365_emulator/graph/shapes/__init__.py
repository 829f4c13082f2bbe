"""From the store's objects to Graph's JSON, property by property."""
