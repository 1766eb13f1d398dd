"""The Serve application: the classification graph, its HTTP routes and its page."""
