"""The only room that imports Paddle: making the model, exporting it, and running both engines."""
