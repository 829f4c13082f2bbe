"""Exchange Web Services: mail, calendar and the mailbox probe, on our own SOAP.

``operations`` writes requests and takes answers apart, ``codec`` turns answers into core models, ``session`` does
the HTTP. EWS ends on 1 April 2027 (ews.md §9).
"""
