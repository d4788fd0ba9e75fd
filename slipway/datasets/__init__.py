"""The user's data set: its folders on this machine, and its channels in S3."""
