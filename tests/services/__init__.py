"""Servers and programs the tests run against: found or started here, never faked.

A service that is not to be had is named and its tests are skipped; under CI=true they fail instead.
"""
