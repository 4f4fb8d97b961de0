"""Molecules: SMILES and SDF in, standardised, and what is computed of them; rdkit is imported where it is needed."""
