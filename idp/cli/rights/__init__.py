"""Commands for the rights of persons: releases, corrections and disputes, restrictions and appeals."""
