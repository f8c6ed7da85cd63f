"""Runs of rStar-Math's released code (github.com/microsoft/rStar), read into Stepforge's trees."""
