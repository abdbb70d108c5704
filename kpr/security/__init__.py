"""Protection: certificates, CMS (sign, then encrypt), and the vault in which everything that is kept is encrypted."""
