"""EDI: the letter's second way (L15). Files of bytes go by a carrier: mail, SFTP, FTPS or a folder."""
