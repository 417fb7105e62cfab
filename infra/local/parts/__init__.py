"""The parts of the local stack: one file each, a function that returns its Part."""
