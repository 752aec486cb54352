"""A model in the loop: a search among 5,000 compounds, steered by predictions through a hub."""
