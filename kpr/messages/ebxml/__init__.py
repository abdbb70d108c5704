"""The ebXML framework v1.1 (HIS 1037:2011): the envelope of the EDI route. No input, no output: values and bytes."""
