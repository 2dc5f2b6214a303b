"""Tests of the house rules: what every file of the source must keep."""
