"""Where the extract comes from: XML that the care-record system exported, tables in files, or SQL."""
