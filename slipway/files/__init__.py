"""Archives and paths of files, which come from others and are not trusted."""
