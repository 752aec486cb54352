"""Tomograms of low dose, denoised: the use case of the DLHub paper's section 4.4, through a hub."""
