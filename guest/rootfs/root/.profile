# For login shells of root.
cd
