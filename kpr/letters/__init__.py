"""Letters to the register when something went wrong: drafted from the state, sent by a person (letter L20, L25)."""
