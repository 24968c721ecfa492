"""What a policy may say and how it is judged: strict YAML, CEL rules, statistics, and the floor below every policy.

Pure: no clock, no database, no network; imports the domain and errors only.
"""
