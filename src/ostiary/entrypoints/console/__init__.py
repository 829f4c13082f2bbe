"""The console: organization admins look after their own organization, operators after all customers (UX §10).

Every page is made on the server and works without JavaScript. What a page shows is read in one transaction;
what a button does is one call of a service.
"""
