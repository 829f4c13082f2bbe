"""The calls of the API, one noun per file, each written down once for both clients."""
