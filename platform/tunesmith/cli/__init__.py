"""The `tunesmith` command line, one file a command."""
