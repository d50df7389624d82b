"""Words everyone uses: errors, identifiers, limits, formats. No I/O, no clock."""
