"""The command `python -m pytest_paddle_infer`: one file a subcommand. They return lines; only `program` prints."""
