"""Blocks to kernels: the loop IR, and what decides its loops, products and memory."""
