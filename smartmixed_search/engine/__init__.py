"""What trains: the two phases, once, for whatever networks compute them."""
