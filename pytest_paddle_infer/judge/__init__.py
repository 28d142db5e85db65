"""Arrays in, verdicts out: numpy only, neither Paddle nor pytest."""
