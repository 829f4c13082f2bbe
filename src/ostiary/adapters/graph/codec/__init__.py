"""Graph's JSON to core models: pure functions, no I/O."""
