"""What a job writes beside its model: metrics, reports, event files."""
