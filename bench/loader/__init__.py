"""How fast pictures are loaded, ours beside other libraries' loaders."""
