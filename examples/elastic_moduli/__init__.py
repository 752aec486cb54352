"""Elastic moduli of inorganic compounds: the study of the DLHub paper's section 4.2, through a hub."""
