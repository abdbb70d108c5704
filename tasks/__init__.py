"""One Prefect task per step. Each calls one function of the domain and hands on opaque ids only.

They carry no tags: Prefect asks for a slot for each tag of each task run, which costs a third of a second.
"""
