"""Layers and measures for lesion masks: a decoder, its loss, overlaps, regions and a plain baseline.

A mask is ``[height, width]`` of class indices, background 0, uint8 in numpy.
They know nothing of tasks, files or training, and work without the rest of medplug.
"""
