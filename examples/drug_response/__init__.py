"""Drug response of tumour cells, published privately: the DLHub paper's section 4.3, through a hub."""
