"""A file that sets much: synonyms, secrets, an old key, keys of single listeners. Names of nobody Klamm refuses."""

from ..wire import BROKER, GROUP, TOPIC

SETTINGS = {
    "log_retention_hours": "12",
    "log_retention_minutes": "90",
    "log_roll_hours": "24",
    "log_roll_jitter_hours": "1",
    "log_flush_interval_ms": "60000",
    "log_flush_scheduler_interval_ms": "70000",
    "log_cleaner_min_cleanable_ratio": "0.25",
    "log_cleanup_policy": "compact, delete",
    "compression_type": "LZ4".lower(),
    "message_max_bytes": " 2000000 ",
    "ssl_key_password": "hunter2",
    "sasl_jaas_config": "nonsense",
    "listener_name_plaintext_ssl_keystore_password": "secret",
    "listener_name_plaintext_max_connections": "1000",
    "zookeeper_connect": "nowhere:2181",
    "controller_quorum_election_timeout_ms": "1500",
    "group_consumer_session_timeout_ms": "50000",
    "group_streams_assignors": "sticky",
    "max_connections_per_ip_overrides": "127.0.0.1:1000,localhost:900",
    "early_start_listeners": "CONTROLLER",
    "unstable_api_versions_enable": "false",
    "log_initial_task_delay_ms": "20000",
    "metric_reporters": "",
    "num_replica_alter_log_dirs_threads": "3",
    "broker_rack": "rack-a",
}


def steps(_broker):
    yield "create", lambda c: c.create("plain")
    yield "topic", lambda c: c.settled((TOPIC, "plain"))
    yield "broker", lambda c: c.describe((BROKER, "1"))
    yield "cluster default", lambda c: c.describe((BROKER, ""))
    yield "group", lambda c: c.describe((GROUP, "a-group"))
    yield "keys of nobody", lambda c: c.describe((BROKER, "1", ["zookeeper.connect", "ssl.key.password"]))
