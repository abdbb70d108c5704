-- Made once, when PostgreSQL's folder is empty: Prefect's database, kpr's, and the trial submission's.
CREATE DATABASE prefect;
CREATE DATABASE kpr;
CREATE DATABASE kpr_trial;
