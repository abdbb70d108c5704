"""kpr: the municipality's yearly IPLOS report to the national register KPR."""

__version__ = "0.1.0"
