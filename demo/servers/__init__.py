"""One module for each real server that the demo and the tests start."""
