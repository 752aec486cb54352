"""A whole hub on one machine: private RabbitMQ and mongod, the services, and who looks after them.

`dlhub up`, `down` and `status` are `up` or `detach`, `down` and `status` here; tests use `RabbitNode` and
`MongoServer` alone.
"""
