"""The steps of the conversation, one function each: the one way in for command line, Prefect task and test."""
