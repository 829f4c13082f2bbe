"""What the product is: features and their rules. No HTTP, no SQL, no framework, no settings."""
