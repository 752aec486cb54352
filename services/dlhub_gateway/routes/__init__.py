"""The HTTP API, one module per noun; each lists its routes in `routes(hub)`."""
