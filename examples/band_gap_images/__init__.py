"""Band gaps from optical pictures: the chain of the DLHub paper's section 4.1, through a hub."""
