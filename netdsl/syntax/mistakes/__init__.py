"""What is wrong with a text that does not parse, told by construct."""
