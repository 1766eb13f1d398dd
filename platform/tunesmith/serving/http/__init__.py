"""The HTTP side of the server: routes, schemas, authentication and errors."""
