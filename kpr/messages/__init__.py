"""The messages of the yearly report: IPLOS, ident, message head and application receipt, written and read."""
