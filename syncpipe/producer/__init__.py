"""The producer: what a service uses to send operations."""
