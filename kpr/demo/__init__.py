"""A reporting year in two minutes: invented people, a stand-in register, and a clock that can be moved."""
