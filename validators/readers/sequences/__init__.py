"""Sequences of a rig with a clock for each sensor: EuRoC, KITTI, TUM; a reader a module."""
