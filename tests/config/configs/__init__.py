"""The same requests about configurations to Apache Kafka and to Klamm, and what they answered differently."""
