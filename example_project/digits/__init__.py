"""Reads one handwritten digit: the network, and the programs that turn a picture into its input."""
