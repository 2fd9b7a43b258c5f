"""Films and cameras: read frames, paint them steadily, write them with their sound."""
