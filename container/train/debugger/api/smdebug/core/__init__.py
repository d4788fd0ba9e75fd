"""smdebug's place of the modes."""
