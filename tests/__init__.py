"""The tests, one folder for each floor of the house, and real servers to run against."""
