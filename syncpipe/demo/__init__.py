"""The demonstration: real records turned into operations, and the oracle that checks them."""
