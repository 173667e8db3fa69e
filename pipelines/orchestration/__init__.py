"""What Airflow itself needs of us: a timetable of exchange sessions, links in its interface, the approval page.

Importing this package loads nothing of the other rooms: the scheduler and the API server read it at every start.
"""
