"""What a person looks at: the findings and the timeline as one page that opens without network."""
