"""What can be downloaded, and where it is kept."""
