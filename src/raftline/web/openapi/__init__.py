"""
OpenAPI 3.1 documents of `/admin/v1` and of the Cloud API, made from one table of operations each.

    operation.py     a row of a table
    document.py      a table becomes a document; schemas come from the structs that requests are read by
    admin_table.py   the rows of /admin/v1; admin_shapes.py: what its answers look like where no struct writes them
    cloud_table.py   the rows of the Cloud API; cloud_shapes.py: what its answers look like

A test compares the tables with the routes that there are, both ways. The documents are read without a token: they say
nothing that the source does not, and tools fetch them before they have one.
"""
