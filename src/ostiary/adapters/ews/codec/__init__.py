"""EWS's elements to core models: pure functions, no I/O."""
