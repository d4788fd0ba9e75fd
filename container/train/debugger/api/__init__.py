"""On the path of scripts: the package `smdebug` below is what `import smdebug.pytorch as smd` finds."""
