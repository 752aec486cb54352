"""The catalog: what there is, who may use it, and what became of it; the only user of the database.

`service.serve` is the whole of it: requests are answered by `handlers`, results and dead letters are
stored by `results` and `letters`, and `sweeper` ends what nobody else will. `store` alone knows MongoDB.
"""
