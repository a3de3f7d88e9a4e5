"""AWS's DynamoDB Local, in memory: what it holds is gone with the process."""

from pathlib import Path

import boto3

from .java import JARS, java
from .process import Process, free_port, listening

REGION = "us-east-1"


class DynamoDB:
    """The server; .endpoint is its URL, .client() an AWS client for it."""

    def __init__(self, folder):
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        server = java("com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
                      "-inMemory", "-sharedDb", "-disableTelemetry", "-port", self.port,
                      heap=250, folder=folder, options=[f"-Djava.library.path={JARS}"])
        self.process = Process("DynamoDB Local", server, Path(folder) / "log")
        self.start()

    def env(self):
        # The server takes any credentials, but not none.
        return {"DDB_ENDPOINT": self.endpoint, "AWS_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}

    def client(self):
        return boto3.client("dynamodb", endpoint_url=self.endpoint, region_name=REGION,
                            aws_access_key_id="local", aws_secret_access_key="local")

    def create_table(self, name):
        """A table of the mirror's rows: the pipeline's key and the window's bucket."""
        self.client().create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"},
                                  {"AttributeName": "sk", "AttributeType": "N"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"},
                       {"AttributeName": "sk", "KeyType": "RANGE"}])
        return name

    def delete_table(self, name):
        self.client().delete_table(TableName=name)

    def start(self):
        self.process.start(lambda: listening(self.port))

    def stop(self):
        self.process.stop()

    def kill(self):
        self.process.kill()

    def close(self):
        self.process.kill()
