"""The builder: takes queued builds from the catalog and turns archives into environments that run."""
