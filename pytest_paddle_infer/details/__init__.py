"""What `--paddle-report` keeps of a checkpoint beyond its figures: samples, layers, times, pictures. Neither pytest nor paddle."""
