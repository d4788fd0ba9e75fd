"""`slipway images`: lists the images that push.sh pushed from this machine."""
