-- Run once, when the server of compose.yaml makes its data folder.
CREATE DATABASE mlflow;
CREATE DATABASE crops;
