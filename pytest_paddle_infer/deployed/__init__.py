"""What runs in the process that holds the predictor, possibly under another Python with another Paddle (Python 3.9 or newer).

This plugin is not installed there, so these modules import the standard library, numpy, Paddle (inside functions) and one another by
relative import, and nothing else. `__main__.py` serves one predictor over a pipe.
"""
