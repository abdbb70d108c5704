"""One Prefect task per step. Each calls one function of the domain and hands on opaque ids only."""
