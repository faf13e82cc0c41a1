"""Stack Exchange: dumps of any site and year, and the API for what came after them."""
