# For login shells of user.
cd
