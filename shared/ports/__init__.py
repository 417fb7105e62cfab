"""What the services need from the world, as Protocols; adapters live beside, tests bring fakes."""
