"""What every tier may import: the domain, the encodings, the ports and their adapters."""
