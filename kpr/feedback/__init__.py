"""What comes back: receipts and the ident e-mail, read into events of the conversation."""
