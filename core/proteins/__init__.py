"""Proteins: sequences and FASTA in, their k-mers and clusters; torch is not imported here."""
