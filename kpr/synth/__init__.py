"""A synthetic care-record system: invented people with synthetic ids, and faults on demand."""

from kpr.synth.municipality import SyntheticMunicipality

__all__ = ["SyntheticMunicipality"]
