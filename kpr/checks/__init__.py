"""What is wrong with an extract before it is sent, and what the register will do about it."""
