"""The contract between the images and the host: hyperparameters, metric lines, errors, paths, file names."""
