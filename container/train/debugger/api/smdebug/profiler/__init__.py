"""smdebug's place of str2bool."""
