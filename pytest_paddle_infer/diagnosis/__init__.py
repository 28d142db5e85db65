"""After a failure: what the two sides' arrays themselves say about the cause. numpy only."""
