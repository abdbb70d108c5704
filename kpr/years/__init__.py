"""What differs from one data year to the next, as data: formats, addresses, dates, code lists.

A new data year is a new file in ``data/`` (or outside the package), never new code.
"""

from kpr.years.load import known_years, load_year
from kpr.years.model import CodeText, ContactRoute, Mark, Marked, Milestone, Profile, ServiceType, Year

__all__ = [
    "CodeText",
    "ContactRoute",
    "Mark",
    "Marked",
    "Milestone",
    "Profile",
    "ServiceType",
    "Year",
    "known_years",
    "load_year",
]
