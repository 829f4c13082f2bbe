"""The evidence pack (SR-111): what an IT administrator wants to read before approving, as a page and as a PDF."""
